import { type DataSource, IsNull, MoreThan, Not, Raw, type FindOptionsWhere } from 'typeorm';
import { Keys, Principals, type KeyRow } from './entities.ts';

export interface NewKey {
  readonly keyId: string;
  readonly principalId: string;
  readonly name: string;
  readonly roles: readonly string[];
  readonly hash: string;
  readonly requestedBy: string;
}

const counting: FindOptionsWhere<KeyRow> = { issuedAt: Not(IsNull()), revokeRequestedAt: IsNull() };
const isCounting = (more: FindOptionsWhere<KeyRow>): FindOptionsWhere<KeyRow>[] => [
  { ...counting, ...more, countsUntil: IsNull() },
  { ...counting, ...more, countsUntil: Raw((column) => `${column} > now()`) },
];

/** TypeORM answers an update with its rows and their number. */
const endOf = (answer: unknown): Date => {
  const rows: unknown = Array.isArray(answer) ? answer[0] : undefined;
  const row: unknown = Array.isArray(rows) ? rows[0] : undefined;
  if (typeof row === 'object' && row !== null && 'counts_until' in row && row.counts_until instanceof Date)
    return row.counts_until;
  throw new Error('expected the row of the key, got none');
};

/** Rows of API keys in schema `api`; the only place that reads and writes them. */
export class KeyRows {
  readonly #source: DataSource;
  constructor(source: DataSource) {
    this.#source = source;
  }

  /** Adds a key that does not count yet. Answers false when a key with this hash or id exists. */
  add(key: NewKey): Promise<boolean> {
    return this.#source.transaction(async (manager) => {
      const { principalId, name } = key;
      await manager
        .createQueryBuilder()
        .insert()
        .into(Principals)
        .values({ principalId, name })
        .orIgnore()
        .execute();
      const inserted = await manager
        .createQueryBuilder()
        .insert()
        .into(Keys)
        .values({ ...key, roles: [...key.roles] })
        .orIgnore()
        .returning('key_id')
        .execute();
      const rows: unknown = inserted.raw;
      return Array.isArray(rows) && rows.length === 1;
    });
  }

  /** The key counts from now on. Idempotent. */
  async markIssued(keyId: string): Promise<void> {
    await this.#source.getRepository(Keys).update({ keyId, issuedAt: IsNull() }, { issuedAt: () => 'now()' });
  }

  /** The key counts no more. Keeps who asked first. */
  async requestRevoke(keyId: string, by: string): Promise<void> {
    await this.#source
      .getRepository(Keys)
      .update(
        { keyId, revokeRequestedAt: IsNull() },
        { revokeRequestedAt: () => 'now()', revokeRequestedBy: by },
      );
  }

  /** Lets a key count for so long from now and no longer; an end that is nearer stays. Answers when it ends. */
  async endAfter(keyId: string, overlapMs: number, by: string): Promise<Date> {
    const rows: unknown = await this.#source.query(
      `update api.keys set counts_until = least(counts_until, now() + $2 * interval '1 millisecond'),
         revoke_requested_by = coalesce(revoke_requested_by, $3)
       where key_id = $1 returning counts_until`,
      [keyId, overlapMs, by],
    );
    return endOf(rows);
  }

  /** Asks for the revocation of keys whose overlap is over. */
  async endOverlaps(): Promise<void> {
    await this.#source
      .getRepository(Keys)
      .update(
        { countsUntil: Raw((column) => `${column} <= now()`), revokeRequestedAt: IsNull() },
        { revokeRequestedAt: () => 'counts_until' },
      );
  }

  async markRevoked(keyId: string): Promise<void> {
    await this.#source
      .getRepository(Keys)
      .update({ keyId, revokedAt: IsNull() }, { revokedAt: () => 'now()' });
  }

  find(keyId: string): Promise<KeyRow | null> {
    return this.#source.getRepository(Keys).findOneBy({ keyId });
  }

  /** The key with this hash, if it counts. */
  findCounting(hash: string): Promise<KeyRow | null> {
    return this.#source.getRepository(Keys).findOneBy(isCounting({ hash }));
  }

  /** Ids of keys that count, without an end that is known, and carry a role. */
  async countingWithRole(role: string): Promise<readonly string[]> {
    const rows = await this.#source
      .getRepository(Keys)
      .find({ select: { keyId: true, roles: true }, where: { ...counting, countsUntil: IsNull() } });
    return rows.filter((row) => row.roles.includes(role)).map((row) => row.keyId);
  }

  /** Keys that have been issued, in order of id, after `cursor`. */
  list(cursor: string | undefined, limit: number): Promise<readonly KeyRow[]> {
    return this.#source.getRepository(Keys).find({
      where: { issuedAt: Not(IsNull()), ...(cursor === undefined ? {} : { keyId: MoreThan(cursor) }) },
      order: { keyId: 'ASC' },
      take: limit,
    });
  }

  /** Rows whose event may not be in the log yet, because a replica ended in between. */
  unsettled(): Promise<readonly KeyRow[]> {
    return this.#source
      .getRepository(Keys)
      .find({ where: [{ issuedAt: IsNull() }, { revokeRequestedAt: Not(IsNull()), revokedAt: IsNull() }] });
  }
}
