import type { AssignmentView } from '@signalbox/contracts';
import type pg from 'pg';
import { type Cell, bulkInsert, setExcluded, storableJson, storableText } from './bulk-insert.ts';

const columns = {
  assignment_id: 'text',
  job_id: 'text',
  target_id: 'text',
  agent_id: 'text',
  status: 'text',
  attempt: 'int',
  max_attempts: 'int',
  assigned_at: 'timestamptz',
  started_at: 'timestamptz',
  ended_at: 'timestamptz',
  changed_at: 'timestamptz',
  lease_expired: 'boolean',
  reason_code: 'text',
  reason_message: 'text',
  exit_code: 'bigint',
  signal: 'text',
  executed_steps: 'bigint',
  failed_step: 'text',
  output_bytes: 'bigint',
  output_hash: 'text',
  previous_attempts: 'jsonb',
  position: 'text',
  view: 'json',
} as const;

const upsert = bulkInsert({
  table: 'audit.assignment_rows',
  columns,
  conflict: `on conflict (assignment_id) do update set ${setExcluded(Object.keys(columns).slice(1))}`,
});

/** When the assignment took its present status. */
const changedAt = (view: AssignmentView): string | null => {
  switch (view.status) {
    case 'QUEUED':
      return view.previousAttempts.at(-1)?.endedAt ?? null;
    case 'SCHEDULED':
      return view.assignedAt;
    case 'IN_PROGRESS':
      return view.startedAt;
    default:
      return view.endedAt;
  }
};

const textOrNull = (text: string | null | undefined): string | null =>
  text === null || text === undefined ? null : storableText(text);

const rowOf = (view: AssignmentView): Record<keyof typeof columns, Cell> => ({
  assignment_id: view.assignmentId,
  job_id: view.jobId,
  target_id: view.targetId,
  agent_id: view.agentId,
  status: view.status,
  attempt: view.attempt,
  max_attempts: view.maxAttempts,
  assigned_at: view.assignedAt,
  started_at: view.startedAt,
  ended_at: view.endedAt,
  changed_at: changedAt(view),
  lease_expired: view.leaseExpired,
  reason_code: view.reason?.code ?? null,
  reason_message: textOrNull(view.reason?.message),
  exit_code: view.result?.exitCode ?? null,
  signal: textOrNull(view.result?.signal),
  executed_steps: view.result?.executedSteps ?? null,
  failed_step: textOrNull(view.result?.failedStep),
  output_bytes: view.result?.outputBytes ?? null,
  output_hash: view.result?.outputHash ?? null,
  previous_attempts: storableJson(view.previousAttempts),
  position: view.position,
  view: JSON.stringify(view),
});

/** Rows of the named assignments, as the projection left them; not prepared, as for jobs. */
export const loadAssignments = async (
  tx: pg.ClientBase,
  assignmentIds: readonly string[],
): Promise<Map<string, AssignmentView>> => {
  const { rows } = await tx.query<{ view: AssignmentView }>({
    text: 'select view from audit.assignment_rows where assignment_id = any($1::text[])',
    values: [assignmentIds],
  });
  return new Map(rows.map(({ view }) => [view.assignmentId, view]));
};

/** Writes rows of assignments, new and changed ones, in one statement. */
export const saveAssignments = async (tx: pg.ClientBase, views: readonly AssignmentView[]): Promise<void> => {
  if (views.length === 0) return;
  await tx.query({
    name: 'audit.save-assignments',
    text: upsert.text,
    values: [...upsert.values(views.map(rowOf))],
  });
};
