import { type Event, type Position, positionStart } from '@signalbox/contracts';
import type { ClientBase, Pool } from 'pg';
import { type OpenAssignment, evolveOpen, subjectOf } from '../open.ts';

/** Name of the elected projector that keeps the table. */
export const projector = 'gateway-open';

/** Brings the table to where a batch of events leaves it: one load, one upsert, one delete. */
export const projectOpen = async (tx: ClientBase, events: readonly Event[]): Promise<void> => {
  const subjects = events.map(subjectOf);
  const { rows } = await tx.query<{ open: OpenAssignment }>({
    name: 'gateway-open-load',
    text: 'select open from gateway.open_assignments where assignment_id = any($1) or job_id = any($2)',
    values: [subjects.flatMap(({ id }) => id ?? []), subjects.flatMap(({ jobId }) => jobId ?? [])],
  });
  const before = new Map(rows.map(({ open }) => [open.id, open]));
  const after = new Map(before);
  for (const [index, event] of events.entries()) {
    const { id, jobId } = subjects[index] ?? {};
    const ids =
      id === undefined
        ? [...after.values()].filter((open) => open.jobId === jobId).map((open) => open.id)
        : [id];
    for (const each of ids) {
      const next = evolveOpen(after.get(each), event);
      if (next === undefined) after.delete(each);
      else after.set(each, next);
    }
  }
  const gone = [...before.keys()].filter((id) => !after.has(id));
  const changed = [...after.values()].filter((open) => before.get(open.id) !== open);
  if (gone.length + changed.length === 0) return;
  await tx.query({
    name: 'gateway-open-write',
    text: `with gone as (delete from gateway.open_assignments where assignment_id = any($2))
           insert into gateway.open_assignments (assignment_id, job_id, open)
           select open ->> 'id', open ->> 'jobId', open from jsonb_array_elements($1::jsonb) as open
           on conflict (assignment_id) do update set open = excluded.open`,
    values: [JSON.stringify(changed), gone],
  });
};

/** All open attempts with the position that they show, from one snapshot. */
export const loadOpen = async (
  pool: Pool,
  reader: string,
): Promise<{ readonly position: Position; readonly open: readonly OpenAssignment[] }> => {
  const { rows } = await pool.query<{ position: string | null; open: OpenAssignment[] | null }>(
    `select (select position from gateway.reader_positions where name = $1) as position,
            (select jsonb_agg(open) from gateway.open_assignments) as open`,
    [reader],
  );
  return { position: rows[0]?.position ?? positionStart, open: rows[0]?.open ?? [] };
};
