import type { AssignmentView, Event, JobDetail } from '@signalbox/contracts';
import { assignmentIdOf, evolveAssignmentView, evolveJobView, jobIdOf } from '@signalbox/domain';
import type pg from 'pg';
import { loadAssignments, saveAssignments } from './assignment-rows.ts';
import { auditRows, insertAuditRows } from './audit-rows.ts';
import { loadJobs, saveJobs } from './job-rows.ts';
import type { Partitions } from './partitions.ts';

/** Rows of one table before some events. */
export interface RowsBefore<Row> {
  /** Those of the keys that there are, by key; the first event of each key tells whether it can have a row. */
  load(keys: ReadonlyMap<string, Event>): Promise<Map<string, Row>>;
}

interface Keyed<Row> {
  readonly keyOf: (event: Event) => string | undefined;
  readonly before: RowsBefore<Row>;
  readonly evolve: (row: Row | undefined, event: Event) => Row | undefined;
}

/** Loads the rows that the events touch at once, folds in memory, answers those that have changed. */
const evolveRows = async <Row>(
  events: readonly Event[],
  { keyOf, before, evolve }: Keyed<Row>,
): Promise<Row[]> => {
  const keyed = events.flatMap((event) => {
    const key = keyOf(event);
    return key === undefined ? [] : [{ key, event }];
  });
  if (keyed.length === 0) return [];
  const firsts = new Map<string, Event>();
  for (const { key, event } of keyed) if (!firsts.has(key)) firsts.set(key, event);
  const rows = await before.load(firsts);
  const changed = new Set<string>();
  for (const { key, event } of keyed) {
    const row = rows.get(key);
    const after = evolve(row, event);
    if (after === undefined || after === row) continue;
    rows.set(key, after);
    changed.add(key);
  }
  return [...changed].flatMap((key) => rows.get(key) ?? []);
};

/** Rows of jobs that the events change, as they are afterwards. */
export const evolveJobs = (events: readonly Event[], before: RowsBefore<JobDetail>): Promise<JobDetail[]> =>
  evolveRows<JobDetail>(events, { keyOf: jobIdOf, before, evolve: evolveJobView });

/** Rows of assignments that the events change, as they are afterwards. */
export const evolveAssignments = (
  events: readonly Event[],
  before: RowsBefore<AssignmentView>,
): Promise<AssignmentView[]> =>
  evolveRows<AssignmentView>(events, { keyOf: assignmentIdOf, before, evolve: evolveAssignmentView });

/** The projection: what `audit_logs`, `jobs` and `assignments` show after these events, written in one transaction. */
export const projectEvents = async (
  tx: pg.ClientBase,
  events: readonly Event[],
  partitions: Partitions,
): Promise<void> => {
  if (events.length === 0) return;
  await insertAuditRows(tx, auditRows(events), partitions);
  await saveJobs(tx, await evolveJobs(events, { load: (keys) => loadJobs(tx, [...keys.keys()]) }));
  await saveAssignments(
    tx,
    await evolveAssignments(events, { load: (keys) => loadAssignments(tx, [...keys.keys()]) }),
  );
};
