/** For tests: the suite that every event store passes, and the store in memory. Import it from tests only. */
export { InMemoryEventStore, type InMemoryEventStoreOptions } from '../in-memory/in-memory-event-store.ts';
export { eventStoreConformance } from './conformance.ts';
export { newEvent, type Open, type Opened } from './new-event.ts';
