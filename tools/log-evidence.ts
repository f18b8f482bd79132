import {
  type AssignmentView,
  type AuditRow,
  type Event,
  type JobView,
  type Position,
  type RecordedEvent,
  UndecodableEvent,
  decodeEvent,
  positionStart,
} from '@signalbox/contracts';
import type { Evidence, Violation } from '@signalbox/domain';
import { type EventStoreSettings, openEventStore } from '@signalbox/event-store-choice';
import type { EventStore } from '@signalbox/event-store';
import { openPool } from '@signalbox/postgres';
import type pg from 'pg';

/** What can be read of a database; events that cannot be decoded are violations by themselves. */
export interface ReadEvidence {
  readonly evidence: Pick<Evidence, 'events' | 'auditRows' | 'jobRows' | 'assignmentRows'>;
  readonly recorded: readonly RecordedEvent[];
  readonly undecodable: readonly Violation[];
}

const page = 5_000;

const readEvents = async (pool: pg.Pool, settings: EventStoreSettings): Promise<readonly RecordedEvent[]> => {
  const { store, close } = await openEventStore({ settings, pool, name: 'signalbox check-log' });
  try {
    return await readToEnd(store);
  } finally {
    await close();
  }
};

const readToEnd = async (store: EventStore): Promise<readonly RecordedEvent[]> => {
  const events: RecordedEvent[] = [];
  let after: Position = positionStart;
  for (;;) {
    const next = await store.readAll(after, page);
    for (const event of next) events.push(event);
    after = next.at(-1)?.position ?? after;
    if (next.length < page) return events;
  }
};

const instant = (column: string): string =>
  `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

/** Rows of the audit service; nothing where it has never run on this database. */
const readAudit = async (
  pool: pg.Pool,
): Promise<Pick<Evidence, 'auditRows' | 'jobRows' | 'assignmentRows'>> => {
  const { rows: tables } = await pool.query<{ known: boolean }>(
    `select to_regclass('audit.audit_logs') is not null as known`,
  );
  if (tables[0]?.known !== true) return {};
  const audit = await pool.query<AuditRow>(
    `select position, id::text as id, event_type as type, version, ${instant('occurred_at')} as "occurredAt",
            ${instant('recorded_at')} as "recordedAt", actor, correlation_id as "correlationId",
            causation_id as "causationId", stream, stream_version as "streamVersion", null as payload
     from audit.audit_logs order by position`,
  );
  const jobs = await pool.query<{ view: JobView }>('select view from audit.job_rows');
  const assignments = await pool.query<{ view: AssignmentView }>('select view from audit.assignment_rows');
  return {
    auditRows: audit.rows,
    jobRows: jobs.rows.map((row) => row.view),
    assignmentRows: assignments.rows.map((row) => row.view),
  };
};

/**
 * Reads the log and what the audit service made of it. Rows are read before events: what a row shows is then among the
 * events, also while the system runs.
 */
export const readEvidence = async (
  databaseUrl: string,
  settings: EventStoreSettings = { eventStore: 'postgres', kurrentdbUrl: undefined },
): Promise<ReadEvidence> => {
  const pool = openPool({
    url: databaseUrl,
    applicationName: 'signalbox-check-log',
    max: 1,
    statementTimeoutMs: 120_000,
  });
  try {
    const rows = await readAudit(pool);
    const recorded = await readEvents(pool, settings);
    const events: Event[] = [];
    const undecodable: Violation[] = [];
    for (const each of recorded) {
      try {
        events.push(decodeEvent(each));
      } catch (error) {
        if (!(error instanceof UndecodableEvent)) throw error;
        undecodable.push({ invariant: 4, stream: each.stream, position: each.position, text: error.message });
      }
    }
    return { evidence: { events, ...rows }, recorded, undecodable };
  } finally {
    await pool.end();
  }
};
