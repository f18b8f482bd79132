import { createHash } from 'node:crypto';
import type pg from 'pg';
import { transaction } from './pool.ts';

export interface Migration {
  /** Unique within the schema, never changed: `001-log`. */
  readonly id: string;
  /** Statements, run once in the migrating transaction. */
  readonly sql: string;
}

/** Thrown when a migration that was applied has another text now: schemas go forward by new migrations only. */
export class MigrationChanged extends Error {
  readonly id: string;
  constructor(schema: string, id: string) {
    super(`expected migration ${id} of schema ${schema} as it was applied, got another text`);
    this.name = 'MigrationChanged';
    this.id = id;
  }
}

const identifierPattern = /^[a-z][a-z0-9_]{0,62}$/;

/** A schema name for use in SQL text; throws for anything that would need quoting. */
export const schemaName = (schema: string): string => {
  if (identifierPattern.test(schema)) return schema;
  throw new TypeError(`expected a schema name of a-z, 0-9 and "_", got ${JSON.stringify(schema)}`);
};

/** Waits for its turn, for as long as it takes; the lock ends with the transaction. */
const lock = async (client: pg.PoolClient, key: string): Promise<void> => {
  await client.query('set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 0');
  await client.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [`signalbox ${key}`]);
};

const checksum = (sql: string): string => createHash('sha256').update(sql).digest('hex');

const hasSchema = async (client: pg.PoolClient, schema: string): Promise<boolean> =>
  (await client.query('select from pg_namespace where nspname = $1', [schema])).rowCount !== 0;

/**
 * Creates a schema where it is missing, under one lock for all: two `create schema if not exists` at once can collide. Asks
 * again with the lock held, because `create schema` believes the connection's cache, which may be older than the wait.
 */
export const ensureSchema = (pool: pg.Pool, schema: string): Promise<void> =>
  transaction(pool, async (client) => {
    if (await hasSchema(client, schema)) return;
    await lock(client, 'create schema');
    if (!(await hasSchema(client, schema))) await client.query(`create schema ${schema}`);
  });

const appliedIn = async (client: pg.PoolClient, schema: string): Promise<ReadonlyMap<string, string>> => {
  await client.query(
    `create table if not exists ${schema}.migrations (
       id text primary key,
       checksum text not null,
       applied_at timestamptz not null default now()
     )`,
  );
  const { rows } = await client.query<{ id: string; checksum: string }>(
    `select id, checksum from ${schema}.migrations`,
  );
  return new Map(rows.map((row) => [row.id, row.checksum]));
};

/**
 * Brings a schema to what `migrations` say, in order; all that are missing are applied in one transaction or not at all.
 * Any number of processes may do so at once: one applies, the others wait and find it done. Migrations that another
 * version of the program has applied are left alone. Answers the ids it applied.
 *
 * @throws MigrationChanged an applied migration has another text now; nothing was applied
 */
export const migrate = async (
  pool: pg.Pool,
  schema: string,
  migrations: readonly Migration[],
): Promise<readonly string[]> => {
  const name = schemaName(schema);
  await ensureSchema(pool, name);
  return transaction(pool, async (client) => {
    await lock(client, `migrate ${name}`);
    const applied = await appliedIn(client, name);
    const missing = migrations.filter(({ id }) => !applied.has(id));
    for (const { id, sql } of migrations) {
      if (applied.has(id) && applied.get(id) !== checksum(sql)) throw new MigrationChanged(name, id);
    }
    for (const { id, sql } of missing) {
      await client.query(sql);
      await client.query(`insert into ${name}.migrations (id, checksum) values ($1, $2)`, [
        id,
        checksum(sql),
      ]);
    }
    return missing.map(({ id }) => id);
  });
};

/**
 * Creates the schema where it is missing, then runs `work` (the migrations of another tool, such as TypeORM's) while no
 * other process does so for the same schema. `work` uses connections of its own.
 */
export const withSchemaReady = async <T>(
  pool: pg.Pool,
  schema: string,
  work: () => Promise<T>,
): Promise<T> => {
  const name = schemaName(schema);
  await ensureSchema(pool, name);
  return transaction(pool, async (client) => {
    await lock(client, `prepare ${name}`);
    return work();
  });
};
