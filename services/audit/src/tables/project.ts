import type { AssignmentView, Event, JobDetail } from '@signalbox/contracts';
import { assignmentIdOf, evolveAssignmentView, evolveJobView, jobIdOf } from '@signalbox/domain';
import type pg from 'pg';
import { loadAssignments, saveAssignments } from './assignment-rows.ts';
import { insertAuditRows } from './audit-rows.ts';
import { loadJobs, saveJobs } from './job-rows.ts';
import type { Partitions } from './partitions.ts';

interface Keyed<Row> {
  readonly keyOf: (event: Event) => string | undefined;
  readonly load: (keys: readonly string[]) => Promise<Map<string, Row>>;
  readonly evolve: (row: Row | undefined, event: Event) => Row | undefined;
}

/** Loads the rows that the events touch in one query, folds in memory, answers those that have changed. */
const evolveRows = async <Row>(
  events: readonly Event[],
  { keyOf, load, evolve }: Keyed<Row>,
): Promise<Row[]> => {
  const keyed = events.flatMap((event) => {
    const key = keyOf(event);
    return key === undefined ? [] : [{ key, event }];
  });
  if (keyed.length === 0) return [];
  const rows = await load([...new Set(keyed.map(({ key }) => key))]);
  const changed = new Set<string>();
  for (const { key, event } of keyed) {
    const before = rows.get(key);
    const after = evolve(before, event);
    if (after === undefined || after === before) continue;
    rows.set(key, after);
    changed.add(key);
  }
  return [...changed].flatMap((key) => rows.get(key) ?? []);
};

/** The projection: what `audit_logs`, `jobs` and `assignments` show after these events, written in one transaction. */
export const projectEvents = async (
  tx: pg.ClientBase,
  events: readonly Event[],
  partitions: Partitions,
): Promise<void> => {
  if (events.length === 0) return;
  await insertAuditRows(tx, events, partitions);
  const jobs = await evolveRows<JobDetail>(events, {
    keyOf: jobIdOf,
    load: (keys) => loadJobs(tx, keys),
    evolve: evolveJobView,
  });
  await saveJobs(tx, jobs);
  const assignments = await evolveRows<AssignmentView>(events, {
    keyOf: assignmentIdOf,
    load: (keys) => loadAssignments(tx, keys),
    evolve: evolveAssignmentView,
  });
  await saveAssignments(tx, assignments);
};
