import { createHash, randomBytes } from 'node:crypto';
import { type AgentView, DomainError } from '@signalbox/contracts';
import type { Pool } from 'pg';
import { findByCredential } from './tables/agents.ts';

/** A secret of 256 bits with a prefix by which a leak is recognised. */
export const newSecret = (prefix: 'sba' | 'sbe'): string =>
  `${prefix}_${randomBytes(32).toString('base64url')}`;

/** How a secret is stored: it has 256 bits of chance in it, so a plain hash is enough. */
export const hashSecret = (secret: string): string => createHash('sha256').update(secret).digest('hex');

export type AgentIdentity = Pick<AgentView, 'agentId' | 'kind' | 'deviceId'>;

const unauthenticated = (why: string): DomainError =>
  new DomainError(
    'unauthenticated',
    `expected the agent’s credential as "Authorization: Bearer …", got ${why}; enrol with a new token if it was revoked`,
  );

const mostUnknown = 10_000;

/** Credentials, checked from memory by SHA-256; one that is not known here is looked up once. */
export class Credentials {
  readonly #pool: Pool;
  readonly #now: () => number;
  readonly #byHash = new Map<string, AgentIdentity>();
  readonly #unknownUntil = new Map<string, number>();
  readonly #revoked = new Set<string>();

  constructor(pool: Pool, now: () => number) {
    this.#pool = pool;
    this.#now = now;
  }

  /**
   * @param admitStranger runs before a credential is looked up that is not known here, and may throw
   * @throws DomainError `unauthenticated`
   */
  async authenticate(
    authorization: string | undefined,
    admitStranger: () => void = () => undefined,
  ): Promise<AgentIdentity> {
    if (authorization === undefined) throw unauthenticated('none');
    const [, secret] = /^Bearer\s+(\S{20,256})$/i.exec(authorization) ?? [];
    if (secret === undefined) throw unauthenticated('another form');
    const hash = hashSecret(secret);
    const known = this.#byHash.get(hash);
    if (known !== undefined && !this.isRevoked(known.agentId)) return known;
    if ((this.#unknownUntil.get(hash) ?? 0) > this.#now()) throw unauthenticated('one that does not count');
    admitStranger();
    const found = await findByCredential(this.#pool, hash);
    if (found === undefined || this.isRevoked(found.agentId)) {
      if (this.#unknownUntil.size >= mostUnknown) this.#unknownUntil.clear();
      this.#unknownUntil.set(hash, this.#now() + 1_000);
      throw unauthenticated('one that does not count');
    }
    const { agentId, kind, deviceId } = found;
    const identity = { agentId, kind, deviceId };
    this.#byHash.set(hash, identity);
    return identity;
  }

  /** True once this replica knows that the agent’s credential was revoked, which is final. */
  isRevoked(agentId: string): boolean {
    return this.#revoked.has(agentId);
  }

  /** Forgets what was looked up; revocations stay. */
  clear(): void {
    this.#byHash.clear();
  }

  /** From now on the agent’s credential does not count on this replica, also where a look-up is under way. */
  revoke(agentId: string): void {
    this.#revoked.add(agentId);
    for (const [hash, identity] of this.#byHash) if (identity.agentId === agentId) this.#byHash.delete(hash);
  }
}
