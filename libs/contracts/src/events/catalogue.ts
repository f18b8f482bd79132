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

/** Decode, upcast, validate. Throws {@link UndecodableEvent}; unknown fields of the data are dropped. */
export const decodeEvent = (recorded: RecordedEvent): Event => {
  const { body, ...envelope } = recorded;
  if (!isEventType(recorded.type)) throw new UndecodableEvent(recorded, 'unknown type');
  const known = eventTypes[recorded.type];
  if (recorded.version > known.version)
    throw new UndecodableEvent(recorded, `newest known version is ${known.version}`);
  let data: unknown;
  try {
    const versions = { from: recorded.version, to: known.version };
    data = known.schema.parse(upcast(upcasters, recorded.type, versions, JSON.parse(body)));
  } catch (error) {
    throw new UndecodableEvent(recorded, error instanceof Error ? error.message : String(error), error);
  }
  // eslint-disable-next-line @typescript-eslint/consistent-type-assertions -- decoding: type and data belong together by the schema that was looked up
  return { ...envelope, data } as Event;
};

/** The id that names an event's subject: its job's, or its aggregate's where there is no job. */
export const subjectIdOf = (event: Pick<RecordedEvent, 'stream' | 'correlationId'>): string => {
  if (event.stream.startsWith('assignment-')) return event.correlationId;
  return event.stream.slice(event.stream.indexOf('-') + 1);
};
