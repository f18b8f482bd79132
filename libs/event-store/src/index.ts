/** Ports of the log, of reading it, and of leading. Adapters implement them; services depend on nothing else. */
export { EventTooLarge, checkAppend } from './appendable.ts';
export { EventIdReused, EventStore, VersionConflict, noStream, type AppendResult } from './event-store.ts';
export {
  ReaderOvertaken,
  ReaderState,
  ack,
  gather,
  park,
  retry,
  type Batch,
  type Consumer,
  type Handler,
  type ParkedEvent,
  type Verdict,
} from './reading.ts';
export {
  empty,
  fold,
  handleCommand,
  laterInstant,
  load,
  makeEvents,
  type CommandContext,
  type Decider,
  type Loaded,
  type Outcome,
} from './command.ts';
export { LeaseRow, type Leadership, type Running } from './lease.ts';
