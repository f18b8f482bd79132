import { formatPosition, type Actor, type RecordedEvent } from '@signalbox/contracts';

/** Columns of `events.log` as {@link decodeRow} reads them; instants as microseconds, so that none is lost. */
export const eventColumns = `l.position, l.stream, l.version, l.id, l.type, l.type_version,
  (extract(epoch from l.occurred_at) * 1000000)::bigint as occurred_us,
  (extract(epoch from l.recorded_at) * 1000000)::bigint as recorded_us,
  l.actor_type, l.actor_id, l.correlation_id, l.causation_id, l.traceparent, l.body`;

/** A row of the log as the driver hands it over: 64-bit integers as text. */
export interface EventRow {
  readonly position: string;
  readonly stream: string;
  readonly version: number;
  readonly id: string;
  readonly type: string;
  readonly type_version: number;
  readonly occurred_us: string;
  readonly recorded_us: string;
  readonly actor_type: Actor['type'];
  readonly actor_id: string;
  readonly correlation_id: string;
  readonly causation_id: string | null;
  readonly traceparent: string | null;
  readonly body: string;
}

/** Microseconds since 1970 as an instant with six digits; `short` leaves out three that are zero. */
export const instantOfMicros = (micros: number, short = false): string => {
  const rest = ((micros % 1000) + 1000) % 1000;
  const text = new Date((micros - rest) / 1000).toISOString();
  return short && rest === 0 ? text : `${text.slice(0, -1)}${String(rest).padStart(3, '0')}Z`;
};

export const decodeRow = (row: EventRow): RecordedEvent => ({
  id: row.id,
  type: row.type,
  version: row.type_version,
  occurredAt: instantOfMicros(Number(row.occurred_us), true),
  recordedAt: instantOfMicros(Number(row.recorded_us)),
  actor: { type: row.actor_type, id: row.actor_id },
  correlationId: row.correlation_id,
  causationId: row.causation_id,
  ...(row.traceparent === null ? {} : { traceparent: row.traceparent }),
  stream: row.stream,
  streamVersion: row.version,
  position: formatPosition(row.position),
  body: row.body,
});
