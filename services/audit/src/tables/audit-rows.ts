import { type Event, actorText } from '@signalbox/contracts';
import { jobIdOf } from '@signalbox/domain';
import type pg from 'pg';
import { type Cell, bulkInsert, storableJson, storableText } from './bulk-insert.ts';
import { type Month, type Partitions, monthOf } from './partitions.ts';

const columns = {
  occurred_at: 'timestamptz',
  event_type: 'text',
  actor: 'text',
  payload: 'jsonb',
  correlation_id: 'text',
  position: 'text',
  id: 'uuid',
  version: 'int',
  recorded_at: 'timestamptz',
  causation_id: 'text',
  stream: 'text',
  stream_version: 'int',
  actor_type: 'text',
  actor_id: 'text',
  job_id: 'text',
  target_id: 'text',
  traceparent: 'text',
} as const;

/** A row that is there already is left as it is: the same position is the same event. */
const insert = bulkInsert({
  table: 'audit.audit_logs',
  columns,
  conflict: 'on conflict (position, occurred_at) do nothing',
});

/** Id of the target that an event is about: the one it names, or that of the assignment it is about. */
const targetIdOf = (event: Event): string | null => {
  if (event.type === 'JobStatusChanged') return event.data.assignment?.targetId ?? null;
  return 'targetId' in event.data ? event.data.targetId : null;
};

const rowOf = (event: Event): Record<keyof typeof columns, Cell> => ({
  occurred_at: event.occurredAt,
  event_type: event.type,
  actor: actorText(event.actor),
  payload: storableJson(event.data),
  correlation_id: storableText(event.correlationId),
  position: event.position,
  id: event.id,
  version: event.version,
  recorded_at: event.recordedAt,
  causation_id: event.causationId === null ? null : storableText(event.causationId),
  stream: event.stream,
  stream_version: event.streamVersion,
  actor_type: event.actor.type,
  actor_id: event.actor.id,
  job_id: jobIdOf(event) ?? null,
  target_id: targetIdOf(event),
  traceparent: event.traceparent ?? null,
});

/** Rows of `audit_logs`, ready for the statement that writes them. */
export interface AuditRows {
  readonly months: ReadonlySet<Month>;
  readonly values: readonly (readonly (string | null)[])[];
}

/** One row per event. */
export const auditRows = (events: readonly Event[]): AuditRows => ({
  months: new Set(events.map(({ occurredAt }) => monthOf(occurredAt))),
  values: insert.values(events.map(rowOf)),
});

/** Writes rows in one statement, making the partitions that they need. */
export const insertAuditRows = async (
  tx: pg.ClientBase,
  { months, values }: AuditRows,
  partitions: Partitions,
): Promise<void> => {
  await partitions.ensure(tx, months);
  await tx.query({ name: 'audit.insert-logs', text: insert.text, values: [...values] });
};
