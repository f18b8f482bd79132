import { eventStoreConformance, InMemoryEventStore } from '@signalbox/event-store/testing';

eventStoreConformance('in memory', async () => ({
  store: new InMemoryEventStore(),
  close: async () => undefined,
}));
