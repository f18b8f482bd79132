/** Postgres for every service: pool, transactions, migrations, the lease row, reader positions, batches. */
export { createBatcher, type Batcher, type BatcherOptions } from './batcher.ts';
export { lead, type LeadOptions, type Term } from './lead.ts';
export { PostgresLeaseRow, openLease, type LeaseOptions } from './lease-row.ts';
export { MigrationChanged, ensureSchema, migrate, withSchemaReady, type Migration } from './migrate.ts';
export { openPool, transaction, type PoolOptions, type TransactionOptions } from './pool.ts';
export { withReaderState } from './with-reader-state.ts';
export { PostgresReaderState, openReaderState, type ReaderStateOptions } from './reader-state.ts';
