/** The event store in KurrentDB or EventStoreDB, through its official client. */
export { AddressProblem, parseAddress } from './connection-string.ts';
export {
  KurrentDbEventStore,
  openKurrentDbEventStore,
  type KurrentDbEventStoreOptions,
} from './kurrentdb-event-store.ts';
