/** The event store in Postgres: the default adapter. */
export {
  PostgresEventStore,
  openPostgresEventStore,
  type PostgresEventStoreOptions,
} from './postgres-event-store.ts';
