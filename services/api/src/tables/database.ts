import { withSchemaReady } from '@signalbox/postgres';
import type pg from 'pg';
import { DataSource } from 'typeorm';
import { Keys, Principals } from './entities.ts';
import { migrations } from './migrations.ts';

const apiSchema = 'api';

export interface DatabaseOptions {
  /** Connection URL; it holds a password and is never logged. */
  readonly url: string;
  /** Told when a connection breaks that nobody was using. */
  readonly onError: (error: unknown) => void;
}

/** Opens TypeORM's connections to schema `api`. The caller destroys it. */
export const openDataSource = (options: DatabaseOptions): Promise<DataSource> =>
  new DataSource({
    type: 'postgres',
    url: options.url,
    schema: apiSchema,
    applicationName: 'signalbox api keys',
    entities: [Principals, Keys],
    migrations,
    migrationsTableName: 'migrations',
    installExtensions: false,
    logging: false,
    poolSize: 4,
    connectTimeoutMS: 5_000,
    poolErrorHandler: options.onError,
    extra: { statement_timeout: 5_000, query_timeout: 8_000 },
  }).initialize();

/** Brings schema `api` up to date. Any number of replicas may do so at once: one works, the others find it done. */
export const migrateApi = (pool: pg.Pool, source: DataSource): Promise<void> =>
  withSchemaReady(pool, apiSchema, async () => {
    await source.runMigrations({ transaction: 'all' });
  });
