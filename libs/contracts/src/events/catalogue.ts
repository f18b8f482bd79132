import type { z } from 'zod';
import type { Envelope, RecordedEvent } from '../envelope.ts';
import { upcast, upcasters } from '../upcasters/upcasters.ts';
import { assignmentEvents } from './assignment.ts';
import { deviceEvents } from './device.ts';
import { jobEvents } from './job.ts';
import { principalEvents } from './principal.ts';

/** Every event type with its current version and schema: the one source of types, schemas, fixtures and AsyncAPI. */
export const eventTypes = {
  ...jobEvents,
  ...assignmentEvents,
  ...deviceEvents,
  ...principalEvents,
} as const;

export type EventTypes = typeof eventTypes;
export type EventType = keyof EventTypes;
export type DataOf<T extends EventType> = z.output<EventTypes[T]['schema']>;

/** Type and data of an event: all that a decider returns and `evolve` reads. */
export type Fact<T extends EventType = EventType> = {
  [K in T]: { readonly type: K; readonly data: DataOf<K> };
}[T];

/** A decoded event: current version, validated. Inside the product no older version exists. */
export type Event<T extends EventType = EventType> = {
  [K in T]: Envelope & { readonly type: K; readonly data: DataOf<K> };
}[T];

export const isEventType = (type: string): type is EventType => Object.hasOwn(eventTypes, type);

/** Thrown when an event of ours cannot be read: unknown type, a newer version, or data that its schema refuses. */
export class UndecodableEvent extends Error {
  readonly eventId: string;
  readonly eventType: string;
  constructor(event: Pick<RecordedEvent, 'id' | 'type' | 'version'>, why: string, cause?: unknown) {
    super(`expected a readable event, got ${event.type} v${event.version} (id ${event.id}): ${why}`, {
      cause,
    });
    this.name = 'UndecodableEvent';
    this.eventId = event.id;
    this.eventType = event.type;
  }
}

const dataOf = (recorded: RecordedEvent): unknown => {
  if (!isEventType(recorded.type)) throw new UndecodableEvent(recorded, 'unknown type');
  const known = eventTypes[recorded.type];
  if (recorded.version > known.version)
    throw new UndecodableEvent(recorded, `newest known version is ${known.version}`);
  try {
    const versions = { from: recorded.version, to: known.version };
    return known.schema.parse(upcast(upcasters, recorded.type, versions, JSON.parse(recorded.body)));
  } catch (error) {
    throw new UndecodableEvent(recorded, error instanceof Error ? error.message : String(error), error);
  }
};

const envelopeOf = (recorded: RecordedEvent): Envelope => ({
  id: recorded.id,
  type: recorded.type,
  version: recorded.version,
  occurredAt: recorded.occurredAt,
  recordedAt: recorded.recordedAt,
  actor: recorded.actor,
  correlationId: recorded.correlationId,
  causationId: recorded.causationId,
  ...(recorded.traceparent === undefined ? {} : { traceparent: recorded.traceparent }),
  stream: recorded.stream,
  streamVersion: recorded.streamVersion,
  position: recorded.position,
});

interface Decoded {
  readonly type: string;
  readonly version: number;
  readonly body: string;
  readonly data: unknown;
}

/** Data that were decoded lately, by event id: the readers of a process meet the same events, and streams are read again. */
let lately = new Map<string, Decoded>();
let before = new Map<string, Decoded>();
const mostLately = 1_000;
/** Larger bodies are decoded each time, so that what is kept stays below 10 MB. */
const largestKept = 4_096;

const keep = (recorded: RecordedEvent, data: unknown): void => {
  if (recorded.body.length > largestKept) return;
  const { type, version, body } = recorded;
  lately.set(recorded.id, { type, version, body, data });
  if (lately.size < mostLately) return;
  before = lately;
  lately = new Map();
};

/**
 * Decode, upcast, validate. Throws {@link UndecodableEvent}; unknown fields of the data are dropped. The data of one event
 * may be given out more than once: nobody changes them.
 */
export const decodeEvent = (recorded: RecordedEvent): Event => {
  const known = lately.get(recorded.id) ?? before.get(recorded.id);
  const isSame =
    known?.body === recorded.body && known.type === recorded.type && known.version === recorded.version;
  const data = isSame ? known.data : dataOf(recorded);
  if (!isSame) keep(recorded, data);
  // eslint-disable-next-line @typescript-eslint/consistent-type-assertions -- decoding: type and data belong together by the schema that was looked up
  return { ...envelopeOf(recorded), data } as Event;
};

/** The same for whoever puts aside what cannot be read. */
export const tryDecodeEvent = (recorded: RecordedEvent): Event | UndecodableEvent => {
  try {
    return decodeEvent(recorded);
  } catch (error) {
    if (error instanceof UndecodableEvent) return error;
    throw error;
  }
};

/** The event that a fact of ours has become: what `decodeEvent` would answer, without reading again what was just written. */
export const eventOf = (fact: Fact, recorded: RecordedEvent): Event =>
  // eslint-disable-next-line @typescript-eslint/consistent-type-assertions -- type and data belong together in the fact
  ({ ...envelopeOf(recorded), type: fact.type, data: fact.data }) as Event;

/** The id that names an event's subject: its job's, or its aggregate's where there is no job. */
export const subjectIdOf = (event: Pick<RecordedEvent, 'stream' | 'correlationId'>): string => {
  if (event.stream.startsWith('assignment-')) return event.correlationId;
  return event.stream.slice(event.stream.indexOf('-') + 1);
};
