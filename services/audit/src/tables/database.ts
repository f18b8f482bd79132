import { withSchemaReady } from '@signalbox/postgres';
import type pg from 'pg';
import { DataSource } from 'typeorm';
import { AssignmentRows, AuditLogs, JobRows } from './entities.ts';
import { migrations } from './migrations.ts';

/** Schema of this service. */
export const auditSchema = 'audit';

export interface DatabaseOptions {
  /** Connection URL; it holds a password and is never logged. */
  readonly url: string;
  /** Most connections for queries. */
  readonly maxConnections: number;
  /** Told when a connection breaks that nobody was using. */
  readonly onError: (error: unknown) => void;
}

/** Opens TypeORM's connections, for migrations and queries. The caller destroys it. */
export const openDataSource = async (options: DatabaseOptions): Promise<DataSource> => {
  const source = new DataSource({
    type: 'postgres',
    url: options.url,
    schema: auditSchema,
    applicationName: 'signalbox audit queries',
    entities: [JobRows, AssignmentRows, AuditLogs],
    migrations,
    migrationsTableName: 'migrations',
    installExtensions: false,
    logging: false,
    poolSize: options.maxConnections,
    connectTimeoutMS: 5_000,
    poolErrorHandler: options.onError,
    extra: { statement_timeout: 10_000, query_timeout: 15_000 },
  });
  return source.initialize();
};

/** Brings schema `audit` up to date. Any number of replicas may do so at once: one works, the others find it done. */
export const migrateAudit = (pool: pg.Pool, source: DataSource): Promise<void> =>
  withSchemaReady(pool, auditSchema, async () => {
    await source.runMigrations({ transaction: 'all' });
  });
