/** The event store in Postgres: the default adapter. */
export { migrations as logMigrations } from './migrations.ts';
export {
  PostgresEventStore,
  openPostgresEventStore,
  type PostgresEventStoreOptions,
} from './postgres-event-store.ts';
