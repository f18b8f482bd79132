import type { ClientBase, Pool } from 'pg';
import type { Intent, Phase, QueueRow, RowFacts } from '../row.ts';

interface Stored {
  readonly assignment_id: string;
  readonly job_id: string;
  readonly target_id: string;
  readonly phase: Phase;
  readonly attempts: number;
  readonly facts: RowFacts;
  readonly priority: number;
  readonly position: string;
  readonly not_before: Date;
  readonly queue_deadline: Date;
  readonly run_deadline: Date | null;
  readonly lost_deadline: Date | null;
  readonly cancel_requested: boolean;
  readonly intent: Intent | null;
  readonly cause_id: string;
  readonly cause_at: string;
  readonly traceparent: string | null;
}

const columns = `assignment_id, job_id, target_id, phase, attempts, facts, priority, position, not_before, queue_deadline,
  run_deadline, lost_deadline, cancel_requested, intent, cause_id, cause_at, traceparent`;
const qualified = columns.replaceAll(/\w+/g, 'a.$&');

const decode = (row: Stored): QueueRow => ({
  assignmentId: row.assignment_id,
  jobId: row.job_id,
  targetId: row.target_id,
  phase: row.phase,
  attempts: row.attempts,
  facts: row.facts,
  priority: row.priority,
  position: row.position,
  notBefore: row.not_before.toISOString(),
  queueDeadline: row.queue_deadline.toISOString(),
  runDeadline: row.run_deadline?.toISOString() ?? null,
  lostDeadline: row.lost_deadline?.toISOString() ?? null,
  cancelRequested: row.cancel_requested,
  intent: row.intent,
  causeId: row.cause_id,
  causeAt: row.cause_at,
  traceparent: row.traceparent,
});

/** Which rows a batch of events may touch. */
export interface Touched {
  readonly assignmentIds: readonly string[];
  readonly jobIds: readonly string[];
  readonly targetIds: readonly string[];
}

/** Loads and locks the rows that a batch may touch: the deadline loop writes intents beside it. */
export const lockRows = async (tx: ClientBase, touched: Touched): Promise<QueueRow[]> => {
  const { rows } = await tx.query<Stored>({
    name: 'dispatcher-lock',
    text: `select ${columns} from dispatcher.assignments
           where assignment_id = any($1) or job_id = any($2) or target_id = any($3) order by assignment_id for update`,
    values: [touched.assignmentIds, touched.jobIds, touched.targetIds],
  });
  return rows.map(decode);
};

/** What a batch of events leaves behind. */
export interface Written {
  readonly rows: readonly QueueRow[];
  /** Assignments that ended; their rows go. */
  readonly ended: readonly string[];
  /** Assignments that ended or wait for another attempt; their slots go. */
  readonly freed: readonly string[];
  /** Rows that are assigned by an intent that was not ours (a rebuild); they take their slots now. */
  readonly held: readonly QueueRow[];
  readonly revokedDevices: readonly string[];
}

/** Writes rows as they are now, and sees to it that exactly those hold a slot that are assigned or run. */
export const writeRows = async (tx: ClientBase, written: Written): Promise<void> => {
  const { rows, ended, freed, held, revokedDevices } = written;
  if (freed.length > 0) {
    await tx.query({
      name: 'dispatcher-free',
      text: `with gone as (delete from dispatcher.assignments where assignment_id = any($1))
             delete from dispatcher.slots where assignment_id = any($2)`,
      values: [ended, freed],
    });
  }
  if (revokedDevices.length > 0) {
    await tx.query(
      'insert into dispatcher.revoked_devices (device_id) select unnest($1::text[]) on conflict do nothing',
      [revokedDevices],
    );
  }
  if (held.length > 0) {
    await tx.query({
      name: 'dispatcher-hold',
      text: `insert into dispatcher.slots (device_id, assignment_id) select * from unnest($1::text[], $2::text[])
             on conflict do nothing`,
      values: [held.map((row) => row.targetId), held.map((row) => row.assignmentId)],
    });
  }
  if (rows.length === 0) return;
  await tx.query({
    name: 'dispatcher-write',
    text: `insert into dispatcher.assignments (${columns}, delayed, intent_at)
           select r."assignmentId", r."jobId", r."targetId", r.phase, r.attempts, r.facts, r.priority, r.position,
                  r."notBefore", r."queueDeadline", r."runDeadline", r."lostDeadline", r."cancelRequested", r.intent,
                  r."causeId", r."causeAt", r.traceparent, r."notBefore" > now(),
                  case when r.intent is not null then now() end
           from jsonb_to_recordset($1::jsonb) as r("assignmentId" text, "jobId" text, "targetId" text, phase text,
             attempts integer, facts jsonb, priority smallint, position text, "notBefore" timestamptz,
             "queueDeadline" timestamptz, "runDeadline" timestamptz, "lostDeadline" timestamptz,
             "cancelRequested" boolean, intent text, "causeId" text, "causeAt" text, traceparent text)
           on conflict (assignment_id) do update set
             phase = excluded.phase, attempts = excluded.attempts, queue_deadline = excluded.queue_deadline,
             run_deadline = excluded.run_deadline, lost_deadline = excluded.lost_deadline,
             cancel_requested = excluded.cancel_requested, intent = excluded.intent, intent_at = excluded.intent_at,
             cause_id = excluded.cause_id, cause_at = excluded.cause_at`,
    values: [JSON.stringify(rows)],
  });
};

/**
 * Gives each of these devices that has no slot its next assignment: highest priority first, then first in, first out.
 * Slot and intent are one write, so a device never gets two jobs at once.
 */
export const takeSlots = async (tx: ClientBase | Pool, targetIds: readonly string[]): Promise<QueueRow[]> => {
  if (targetIds.length === 0) return [];
  const { rows } = await tx.query<Stored>({
    name: 'dispatcher-take',
    text: `with free as (
             select target_id from unnest($1::text[]) as device (target_id)
             where not exists (select from dispatcher.slots where device_id = target_id)
           ), best as (
             select free.target_id, next.assignment_id from free cross join lateral (
               select assignment_id from dispatcher.assignments
               where target_id = free.target_id and phase = 'queued' and intent is null and not_before <= now()
               order by priority desc, position limit 1 for update) as next
           ), taken as (
             insert into dispatcher.slots (device_id, assignment_id) select target_id, assignment_id from best
             on conflict do nothing returning assignment_id
           )
           update dispatcher.assignments as a set intent = 'assign', intent_at = now()
           from taken where a.assignment_id = taken.assignment_id returning ${qualified}`,
    values: [targetIds],
  });
  return rows.map(decode);
};

const deadlines = {
  'queue-timeout': `phase <> 'running' and queue_deadline <= now()`,
  'run-timeout': `phase = 'running' and run_deadline <= now()`,
  lost: `phase = 'running' and lost_deadline <= now()`,
} as const satisfies Partial<Record<Intent, string>>;

/** Which of these devices are revoked: a job that was accepted a moment before ends at once. */
export const revokedAmong = async (
  tx: ClientBase,
  deviceIds: readonly string[],
): Promise<ReadonlySet<string>> => {
  const { rows } = await tx.query<{ device_id: string }>({
    name: 'dispatcher-revoked',
    text: 'select device_id from dispatcher.revoked_devices where device_id = any($1)',
    values: [deviceIds],
  });
  return new Set(rows.map((row) => row.device_id));
};

/**
 * Writes the intent of every assignment whose time is up, and answers these rows.
 *
 * @param withLost false while agents may not have had the time to come back
 */
export const expireDeadlines = async (pool: Pool, withLost = true): Promise<QueueRow[]> => {
  const due: QueueRow[] = [];
  for (const [intent, condition] of Object.entries(deadlines)) {
    if (intent === 'lost' && !withLost) continue;
    const { rows } = await pool.query<Stored>({
      name: `dispatcher-${intent}`,
      text: `update dispatcher.assignments as a set intent = $1, intent_at = now() where ctid in (
               select ctid from dispatcher.assignments where ${condition} and intent is null limit 500 for update skip locked
             ) returning ${qualified}`,
      values: [intent],
    });
    due.push(...rows.map(decode));
  }
  return due;
};

/** Devices for which an assignment has become due that had to wait for its `notBefore`. */
export const dueTargets = async (pool: Pool): Promise<string[]> => {
  const { rows } = await pool.query<{ target_id: string }>({
    name: 'dispatcher-due',
    text: `update dispatcher.assignments set delayed = false where delayed and not_before <= now() returning target_id`,
  });
  return [...new Set(rows.map((row) => row.target_id))];
};

/** Devices without a slot that have something to run: what a crash between two steps may have left. */
export const idleTargets = async (pool: Pool): Promise<string[]> => {
  const { rows } = await pool.query<{ target_id: string }>({
    name: 'dispatcher-idle',
    text: `select distinct a.target_id from dispatcher.assignments as a
           where a.phase = 'queued' and a.intent is null and a.not_before <= now()
             and not exists (select from dispatcher.slots as s where s.device_id = a.target_id) limit 1000`,
  });
  return rows.map((row) => row.target_id);
};

/** Intents whose effect the log has not shown for a while; they are issued again. */
export const overdueIntents = async (pool: Pool, olderThanMs: number): Promise<QueueRow[]> => {
  const { rows } = await pool.query<Stored>({
    name: 'dispatcher-overdue',
    text: `update dispatcher.assignments as a set intent_at = now() where ctid in (
             select ctid from dispatcher.assignments
             where intent is not null and intent_at < now() - $1 * interval '1 millisecond' limit 500 for update skip locked
           ) returning ${qualified}`,
    values: [olderThanMs],
  });
  return rows.map(decode);
};

/** How many assignments are open, by phase. */
export const countPhases = async (pool: Pool): Promise<ReadonlyMap<Phase, number>> => {
  const { rows } = await pool.query<{ phase: Phase; count: string }>(
    'select phase, count(*) as count from dispatcher.assignments group by phase',
  );
  return new Map(rows.map((row) => [row.phase, Number(row.count)]));
};
