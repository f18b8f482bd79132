/** A table like `audit.audit_logs`, for raw inserts and for the peers' audit rows: same columns, same indexes, one month. */
import { randomUUID } from 'node:crypto';
import type pg from 'pg';

const ddl = `
  create table audit_logs (
    occurred_at timestamptz not null,
    event_type text not null,
    actor text not null,
    payload jsonb not null,
    correlation_id text not null,
    position text collate "C" not null,
    id uuid not null,
    version int not null,
    recorded_at timestamptz not null,
    causation_id text,
    stream text not null,
    stream_version int not null,
    actor_type text not null,
    actor_id text not null,
    job_id text,
    target_id text,
    traceparent text,
    primary key (position, occurred_at),
    unique (stream, stream_version, occurred_at)
  ) partition by range (occurred_at);
  create table audit_logs_all partition of audit_logs for values from (minvalue) to (maxvalue);
  create sequence audit_position;
  create index on audit_logs (occurred_at);
  create index on audit_logs (correlation_id, occurred_at);
  create index on audit_logs (event_type, position) include (correlation_id);
  create index on audit_logs (actor, position);
  create index on audit_logs (target_id, position) where target_id is not null;
  create index on audit_logs (job_id, position) where job_id is not null`;

export const createAuditTable = async (client: pg.ClientBase): Promise<void> => {
  await client.query(ddl);
};

/** What differs from row to row. */
export interface AuditRow {
  readonly jobId: string;
  readonly type: string;
  /** 1 to 4. */
  readonly step: number;
  readonly payload: string;
}

/** All rows in one statement, one array per column; the position is a sequence, as a program without an event store has it. */
const insertText = `
  insert into audit_logs (occurred_at, event_type, actor, payload, correlation_id, position, id, version, recorded_at,
    causation_id, stream, stream_version, actor_type, actor_id, job_id, target_id, traceparent)
  select r.at, r.type, 'service:bench', r.payload::jsonb, r.job, lpad(nextval('audit_position')::text, 20, '0'), r.id, 1,
    clock_timestamp(), null, 'job-' || r.job, r.step, 'service', 'bench', r.job, r.target, r.trace
  from unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::int[], $7::text[], $8::text[])
    as r (at, type, payload, job, id, step, target, trace)`;

const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

export const insertAuditRows = async (
  client: pg.ClientBase | pg.Pool,
  rows: readonly AuditRow[],
): Promise<void> => {
  const at = new Date().toISOString();
  await client.query({
    name: 'bench-audit-rows',
    text: insertText,
    values: [
      rows.map(() => at),
      rows.map(({ type }) => type),
      rows.map(({ payload }) => payload),
      rows.map(({ jobId }) => jobId),
      rows.map(() => randomUUID()),
      rows.map(({ step }) => step),
      rows.map(({ jobId }) => `device-${jobId.slice(0, 2)}`),
      rows.map(() => traceparent),
    ],
  });
};
