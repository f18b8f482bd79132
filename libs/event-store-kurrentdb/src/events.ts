import { formatPosition, type NewEvent, type Position, type RecordedEvent } from '@signalbox/contracts';
import type { Proposed, Stored } from './wire.ts';

/** What the server keeps beside an event. Names with `$` are those that the server's own projections read. */
interface Metadata {
  readonly $correlationId: string;
  readonly $causationId?: string;
  readonly version: number;
  readonly occurredAt: string;
  readonly actor: RecordedEvent['actor'];
  readonly traceparent?: string;
  /** Names the append that wrote the event: tells a repeated append from the first. */
  readonly append: string;
}

export const propose = (event: NewEvent, append: string): Proposed => {
  const metadata: Metadata = {
    $correlationId: event.correlationId,
    ...(event.causationId === null ? {} : { $causationId: event.causationId }),
    version: event.version,
    occurredAt: event.occurredAt,
    actor: event.actor,
    ...(event.traceparent === undefined ? {} : { traceparent: event.traceparent }),
    append,
  };
  return { id: event.id, type: event.type, body: event.body, metadata: JSON.stringify(metadata) };
};

const metadataOf = (stored: Stored): Metadata => {
  const metadata: Metadata = JSON.parse(stored.metadata);
  return metadata;
};

/** The append that wrote an event. */
export const appendOf = (stored: Stored): string => metadataOf(stored).append;

/** Microseconds since 1970 as an instant with six digits. */
const instantOfMicros = (micros: number): string => {
  const rest = micros % 1000;
  const text = new Date((micros - rest) / 1000).toISOString();
  return `${text.slice(0, -1)}${String(rest).padStart(3, '0')}Z`;
};

/** An instant of any precision as microseconds since 1970; what is finer is cut off. */
export const microsOf = (instant: string): number => {
  const fraction = /\.(\d+)/.exec(instant)?.[1] ?? '';
  const micros = Number(fraction.padEnd(6, '0').slice(3, 6));
  return Math.floor(Date.parse(instant)) * 1000 + micros;
};

/** The commit position of an event, 0 for the start. */
export const commitOf = (position: Position): bigint => BigInt(position);

/** @param prefix what the server's name has before ours */
export const decodeEvent = (stored: Stored, prefix: string): RecordedEvent => {
  const metadata = metadataOf(stored);
  return {
    id: stored.id,
    type: stored.type,
    version: metadata.version,
    occurredAt: metadata.occurredAt,
    actor: metadata.actor,
    correlationId: metadata.$correlationId,
    causationId: metadata.$causationId ?? null,
    ...(metadata.traceparent === undefined ? {} : { traceparent: metadata.traceparent }),
    body: stored.body,
    stream: stored.stream.slice(prefix.length),
    streamVersion: stored.revision + 1,
    position: formatPosition(stored.commit),
    recordedAt: instantOfMicros(stored.createdUs),
  };
};

/** Whether a stored event is the same fact; time, trace and actor of a retry may differ. */
export const isSame = (stored: RecordedEvent, event: NewEvent): boolean =>
  stored.type === event.type && stored.version === event.version && stored.body === event.body;
