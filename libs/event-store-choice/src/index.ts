/** Which event store a process uses, by its settings. */
export {
  checkEventStore,
  eventStoreSettings,
  readEventStoreSettings,
  type EventStoreSettings,
} from './settings.ts';
export { eventStoreMigrations, openEventStore, serveEventStore } from './open.ts';
