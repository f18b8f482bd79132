import { randomUUID } from 'node:crypto';
import {
  DomainError,
  deriveId,
  type Actor,
  type IssueKey,
  type KeyIssued,
  type KeyRevoked,
  type KeyRotated,
  type KeyView,
  type Page,
  type RotateKey,
} from '@signalbox/contracts';
import type { KeyRow } from '../tables/entities.ts';
import { type KeyRows } from '../tables/key-rows.ts';
import { hashKey, newKey } from './key-text.ts';
import { type PrincipalLog } from './principal-log.ts';

const self: Actor = { type: 'service', id: 'api' };

/** Who asks for a key to be issued or revoked. */
export interface Asker {
  readonly actor: Actor;
  readonly traceparent?: string;
}

const viewOf = (row: KeyRow): KeyView => ({
  keyId: row.keyId,
  principalId: row.principalId,
  name: row.name,
  roles: [...row.roles],
  createdAt: row.requestedAt.toISOString(),
  countsUntil: row.countsUntil?.toISOString() ?? null,
  revokedAt: row.revokeRequestedAt?.toISOString() ?? null,
});

const principalActor = (id: string): Actor => (id === self.id ? self : { type: 'principal', id });

/**
 * API keys. The row is written first as an intent, then the event, then the row counts; a revocation counts before its
 * event. What a replica left half done is brought to its end by `settle`.
 */
export class ApiKeys {
  readonly #rows: KeyRows;
  readonly #log: PrincipalLog;
  constructor(rows: KeyRows, log: PrincipalLog) {
    this.#rows = rows;
    this.#log = log;
  }

  /** Makes a key for a new principal. The key itself is in this answer and nowhere else. */
  async issue(request: IssueKey, asker: Asker): Promise<KeyIssued> {
    const key = newKey();
    const row = {
      keyId: randomUUID(),
      principalId: randomUUID(),
      name: request.name,
      roles: [...new Set(request.roles)],
      hash: hashKey(key),
      requestedBy: asker.actor.id,
    };
    await this.#rows.add(row);
    const position = await this.#issued(row, asker);
    return { key, keyId: row.keyId, principalId: row.principalId, position };
  }

  /**
   * Takes over an admin key that was made before the first start. Does nothing while an admin key counts; a key that was
   * revoked stays so. Answers whether the key was taken over and counts.
   */
  async bootstrap(key: string): Promise<boolean> {
    if ((await this.#rows.countingWithRole('admin')).length > 0) return false;
    const hash = hashKey(key);
    const row = {
      keyId: deriveId('bootstrap key', hash),
      principalId: deriveId('bootstrap principal', hash),
      name: 'first administrator',
      roles: ['admin'],
      hash,
      requestedBy: self.id,
    };
    await this.#rows.add(row);
    await this.#issued(row, { actor: self });
    return (await this.#rows.findCounting(hash)) !== null;
  }

  /**
   * Gives the key's principal a new key with the same roles; the old one counts for the overlap and no longer. When the
   * answer is lost, ask again: the overlap does not begin anew, and the key that nobody has can be revoked.
   *
   * @throws DomainError `not-found`, or `conflict` for a key that counts no more
   */
  async rotate(keyId: string, { overlapMs }: RotateKey, asker: Asker): Promise<KeyRotated> {
    const old = await this.#find(keyId);
    if ((await this.#rows.findCounting(old.hash)) === null) {
      throw new DomainError('conflict', `expected a key that counts, got ${keyId}; issue a new one`);
    }
    const key = newKey();
    const { principalId, name, roles } = old;
    const requestedBy = asker.actor.id;
    const row = {
      keyId: randomUUID(),
      principalId,
      name,
      roles,
      hash: hashKey(key),
      requestedBy,
    };
    await this.#rows.add(row);
    const position = await this.#issued(row, asker);
    const end = await this.#rows.endAfter(keyId, overlapMs, asker.actor.id);
    return {
      key,
      keyId: row.keyId,
      principalId,
      position,
      replaces: keyId,
      replacedCountsUntil: end.toISOString(),
    };
  }

  /** @throws DomainError `not-found`, or `conflict` for the last admin key: nobody could make another one */
  async revoke(keyId: string, asker: Asker): Promise<KeyRevoked> {
    const row = await this.#find(keyId);
    const repeated = row.revokeRequestedAt !== null;
    const admins = repeated ? [] : await this.#rows.countingWithRole('admin');
    if (admins.length === 1 && admins[0] === keyId) {
      throw new DomainError(
        'conflict',
        'expected another admin key that stays, got the last one; issue a new one first',
      );
    }
    await this.#rows.requestRevoke(keyId, asker.actor.id);
    return { keyId, position: await this.#revoked(row, asker), repeated };
  }

  async list(cursor: string | undefined, limit: number): Promise<Page<KeyView>> {
    const rows = await this.#rows.list(cursor, limit + 1);
    const items = rows.slice(0, limit).map(viewOf);
    return { items, nextCursor: rows.length > limit ? (items.at(-1)?.keyId ?? null) : null };
  }

  /** Brings what was left half done to its end; answers how many rows that were. Idempotent. */
  async settle(): Promise<number> {
    await this.#rows.endOverlaps();
    const rows = await this.#rows.unsettled();
    for (const row of rows) {
      if (row.issuedAt === null) await this.#issued(row, { actor: principalActor(row.requestedBy) });
      if (row.revokeRequestedAt === null || row.revokedAt !== null) continue;
      await this.#revoked(row, { actor: principalActor(row.revokeRequestedBy ?? self.id) });
    }
    return rows.length;
  }

  async #find(keyId: string): Promise<KeyRow> {
    const row = await this.#rows.find(keyId);
    if (row !== null && row.issuedAt !== null) return row;
    throw new DomainError(
      'not-found',
      `expected the id of an issued key, got ${keyId}; GET /api/v1/keys lists them`,
    );
  }

  async #issued(
    row: Pick<KeyRow, 'keyId' | 'principalId' | 'name' | 'roles'>,
    asker: Asker,
  ): Promise<string> {
    const { keyId, principalId, name, roles } = row;
    const commandId = deriveId('issue key', keyId);
    const data = {
      principalId,
      keyId,
      name,
      roles: [...roles],
    };
    const position = await this.#log.issueKey(data, { commandId, ...asker });
    await this.#rows.markIssued(keyId);
    return position;
  }

  async #revoked(
    { keyId, principalId }: Pick<KeyRow, 'keyId' | 'principalId'>,
    asker: Asker,
  ): Promise<string> {
    const commandId = deriveId('revoke key', keyId);
    const position = await this.#log.revokeKey({ principalId, keyId }, { commandId, ...asker });
    await this.#rows.markRevoked(keyId);
    return position;
  }
}
