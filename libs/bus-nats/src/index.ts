/** The road between the processes: relay, ordered reader, Nest transport over NATS JetStream. */
export type { NatsConnection } from '@nats-io/transport-node';
export { connectBus, linkOf, type BusOptions, type Link } from './connection.ts';
export {
  defaultMaxAgeMs,
  ensureEventsStream,
  StreamContradiction,
  type EventsStreamOptions,
} from './events-stream.ts';
export { askAll } from './ask-all.ts';
export { inspectBus, type BusFacts } from './bus-facts.ts';
export { MemoryReaderState } from './memory-reader-state.ts';
export {
  decodeMessage,
  encodeEvent,
  MalformedMessage,
  type DecodedMessage,
  type EncodedEvent,
  type IncomingMessage,
} from './message.ts';
export { startReader } from './ordered-reader.ts';
export { StoreRestored } from './reader-session.ts';
export type {
  Reader,
  ReaderActivity,
  ReaderLog,
  ReaderLogFields,
  ReaderSetup,
  ReaderStatus,
} from './reader.ts';
export type { HaltReason } from './relay-origin.ts';
export {
  startRelay,
  type Relay,
  type RelayOptions,
  type RelaySetup,
  type RelayState,
  type RelayStatus,
} from './relay.ts';
export { redriveStream } from './redrive.ts';
export { routesOf } from './handling.ts';
export { EventsTransport, type EventsTransportOptions } from './transport.ts';
