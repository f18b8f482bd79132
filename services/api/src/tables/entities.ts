import { EntitySchema } from 'typeorm';

/** Who stands behind keys. Names live here only: events carry the opaque id. */
export interface PrincipalRow {
  readonly principalId: string;
  readonly name: string;
}

export const Principals = new EntitySchema<PrincipalRow>({
  name: 'Principal',
  tableName: 'principals',
  columns: {
    principalId: { name: 'principal_id', type: 'text', primary: true },
    name: { type: 'text' },
  },
});

/**
 * A key. The row is the intent, the log is the fact: `issuedAt` and `revokedAt` are set when the event is in the log. A key
 * counts from `issuedAt` until `revokeRequestedAt`, or until `countsUntil` where it was rotated.
 */
export interface KeyRow {
  readonly keyId: string;
  readonly principalId: string;
  readonly name: string;
  readonly roles: readonly string[];
  /** SHA-256 of the key; the key itself is stored nowhere. */
  readonly hash: string;
  readonly requestedBy: string;
  readonly requestedAt: Date;
  readonly issuedAt: Date | null;
  readonly revokeRequestedBy: string | null;
  readonly revokeRequestedAt: Date | null;
  readonly revokedAt: Date | null;
  readonly countsUntil: Date | null;
}

export const Keys = new EntitySchema<KeyRow>({
  name: 'Key',
  tableName: 'keys',
  columns: {
    keyId: { name: 'key_id', type: 'text', primary: true },
    principalId: { name: 'principal_id', type: 'text' },
    name: { type: 'text' },
    roles: { type: 'text', array: true },
    hash: { type: 'text' },
    requestedBy: { name: 'requested_by', type: 'text' },
    requestedAt: { name: 'requested_at', type: 'timestamptz' },
    issuedAt: { name: 'issued_at', type: 'timestamptz', nullable: true },
    revokeRequestedBy: { name: 'revoke_requested_by', type: 'text', nullable: true },
    revokeRequestedAt: { name: 'revoke_requested_at', type: 'timestamptz', nullable: true },
    revokedAt: { name: 'revoked_at', type: 'timestamptz', nullable: true },
    countsUntil: { name: 'counts_until', type: 'timestamptz', nullable: true },
  },
});
