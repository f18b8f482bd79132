import { type DataSource, IsNull, MoreThan, Not, type FindOptionsWhere } from 'typeorm';
import { Keys, Principals, type KeyRow } from './entities.ts';

export interface NewKey {
  readonly keyId: string;
  readonly principalId: string;
  readonly name: string;
  readonly roles: readonly string[];
  readonly hash: string;
  readonly requestedBy: string;
}

const counts: FindOptionsWhere<KeyRow> = { issuedAt: Not(IsNull()), revokeRequestedAt: IsNull() };

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
    return this.#source.getRepository(Keys).findOneBy({ hash, ...counts });
  }

  /** Ids of keys that count and carry a role. */
  async countingWithRole(role: string): Promise<readonly string[]> {
    const rows = await this.#source
      .getRepository(Keys)
      .find({ select: { keyId: true, roles: true }, where: counts });
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
