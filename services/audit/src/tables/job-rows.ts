import type { JobDetail, JobDocument, JobView } from '@signalbox/contracts';
import type pg from 'pg';
import { type Cell, bulkInsert, setExcluded, storableText, textArray } from './bulk-insert.ts';

const columns = {
  job_id: 'text',
  name: 'text',
  name_lower: 'text',
  status: 'text',
  target_type: 'text',
  target_ids: 'text[]',
  priority: 'int',
  not_before: 'timestamptz',
  max_attempts: 'int',
  run_timeout_ms: 'bigint',
  queue_timeout_ms: 'bigint',
  kill_grace_ms: 'bigint',
  lost_after_ms: 'bigint',
  template_id: 'text',
  document_hash: 'text',
  created_at: 'timestamptz',
  created_by: 'text',
  started_at: 'timestamptz',
  ended_at: 'timestamptz',
  cancel_requested_at: 'timestamptz',
  retry_of: 'text',
  reason: 'text',
  targets_total: 'bigint',
  targets_succeeded: 'bigint',
  targets_failed: 'bigint',
  targets_timed_out: 'bigint',
  targets_canceled: 'bigint',
  targets_rejected: 'bigint',
  position: 'text',
  view: 'json',
  document: 'json',
} as const;

/** What can change after `JobCreated`; the document, which may be large, is written once. */
const changing = [
  'status',
  'started_at',
  'ended_at',
  'cancel_requested_at',
  'targets_total',
  'targets_succeeded',
  'targets_failed',
  'targets_timed_out',
  'targets_canceled',
  'targets_rejected',
  'position',
  'view',
];

const upsert = bulkInsert({
  table: 'audit.job_rows',
  columns,
  conflict: `on conflict (job_id) do update set ${setExcluded(changing)}`,
});

const rowOf = ({ document, ...view }: JobDetail): Record<keyof typeof columns, Cell> => ({
  job_id: view.jobId,
  name: storableText(view.name),
  name_lower: storableText(view.name).toLowerCase(),
  status: view.status,
  target_type: view.target.type,
  target_ids: textArray(view.target.ids),
  priority: view.priority,
  not_before: view.notBefore,
  max_attempts: view.limits.maxAttempts,
  run_timeout_ms: view.limits.runTimeoutMs,
  queue_timeout_ms: view.limits.queueTimeoutMs,
  kill_grace_ms: view.limits.killGraceMs,
  lost_after_ms: view.limits.lostAfterMs,
  template_id: view.templateId === null ? null : storableText(view.templateId),
  document_hash: view.documentHash,
  created_at: view.createdAt,
  created_by: view.createdBy,
  started_at: view.startedAt,
  ended_at: view.endedAt,
  cancel_requested_at: view.cancelRequestedAt,
  retry_of: view.retryOf,
  reason: view.reason === null ? null : storableText(view.reason),
  targets_total: view.counts?.total ?? null,
  targets_succeeded: view.counts?.succeeded ?? null,
  targets_failed: view.counts?.failed ?? null,
  targets_timed_out: view.counts?.timedOut ?? null,
  targets_canceled: view.counts?.canceled ?? null,
  targets_rejected: view.counts?.rejected ?? null,
  position: view.position,
  view: JSON.stringify(view),
  document: JSON.stringify(document),
});

/**
 * Rows of the named jobs, as the projection left them. Not a prepared statement: the server would keep the plan that it
 * made while the table was small, and read the whole table for ever.
 */
export const loadJobs = async (
  tx: pg.ClientBase,
  jobIds: readonly string[],
): Promise<Map<string, JobDetail>> => {
  const { rows } = await tx.query<{ view: JobView; document: JobDocument }>({
    text: 'select view, document from audit.job_rows where job_id = any($1::text[])',
    values: [jobIds],
  });
  return new Map(rows.map(({ view, document }) => [view.jobId, { ...view, document }]));
};

/** Writes rows of jobs, new and changed ones, in one statement. */
export const saveJobs = async (tx: pg.ClientBase, views: readonly JobDetail[]): Promise<void> => {
  if (views.length === 0) return;
  await tx.query({
    name: 'audit.save-jobs',
    text: upsert.text,
    values: [...upsert.values(views.map(rowOf))],
  });
};
