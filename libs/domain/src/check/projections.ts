import { type AssignmentView, type Event, type JobView, streams } from '@signalbox/contracts';
import { assignmentViewsFromEvents, jobViewFromEvents } from '../views.ts';
import { type Evidence, type Findings, type Violation, violation } from './evidence.ts';
import type { JobHistory } from './history.ts';

/** Names of the fields in which a row differs from the one built anew; order of keys does not matter. */
const differing = (row: unknown, rebuilt: unknown, path = ''): readonly string[] => {
  if (typeof row !== 'object' || row === null || typeof rebuilt !== 'object' || rebuilt === null) {
    return row === rebuilt ? [] : [path];
  }
  const [mine, theirs] = [
    new Map<string, unknown>(Object.entries(row)),
    new Map<string, unknown>(Object.entries(rebuilt)),
  ];
  const names = new Set([...mine.keys(), ...(Array.isArray(row) || path !== '' ? theirs.keys() : [])]);
  return [...names].flatMap((name) =>
    differing(mine.get(name), theirs.get(name), path === '' ? name : `${path}.${name}`),
  );
};

/** The events that a row shows: its own up to its position, or all where nothing is under way. */
const shownBy = (
  events: readonly Event[],
  row: JobView | AssignmentView,
  settled: boolean,
): readonly Event[] => (settled ? events : events.filter((event) => event.position <= row.position));

const compare = (stream: string, row: JobView | AssignmentView, rebuilt: unknown): readonly Violation[] => {
  const at = { stream, position: row.position };
  if (rebuilt === undefined)
    return [violation(8, at, 'expected no row, because the log has no such thing, got one')];
  const names = differing(row, rebuilt);
  return names.length === 0
    ? []
    : [violation(8, at, `expected the row as built anew, got another ${names.join(', ')}`)];
};

const checkJobRows = (
  rows: readonly JobView[],
  jobs: ReadonlyMap<string, JobHistory>,
  settled: boolean,
): Violation[] => {
  const found = rows.flatMap((row) => {
    const events = jobs.get(row.jobId)?.events ?? [];
    return compare(streams.job(row.jobId), row, jobViewFromEvents(shownBy(events, row, settled)));
  });
  if (!settled) return found;
  const shown = new Set(rows.map((row) => row.jobId));
  for (const { created, jobId } of jobs.values()) {
    if (created !== undefined && !shown.has(jobId))
      found.push(violation(8, created, 'expected a row of the job, got none'));
  }
  return found;
};

const checkAssignmentRows = (
  rows: readonly AssignmentView[],
  jobs: ReadonlyMap<string, JobHistory>,
  settled: boolean,
): Violation[] => {
  const found = rows.flatMap((row) => {
    const events = jobs.get(row.jobId)?.assignments.get(row.assignmentId) ?? [];
    const [rebuilt] = assignmentViewsFromEvents(shownBy(events, row, settled));
    return compare(streams.assignment(row.jobId, row.targetId), row, rebuilt);
  });
  if (!settled) return found;
  const shown = new Set(rows.map((row) => row.assignmentId));
  for (const [id, [first]] of [...jobs.values()].flatMap((job) => [...job.assignments])) {
    if (first !== undefined && !shown.has(id))
      found.push(violation(8, first, 'expected a row of the assignment, got none'));
  }
  return found;
};

/** Invariant 8: rows that grew event by event equal the ones that are built anew from the log. */
export const checkProjections = (histories: readonly JobHistory[], evidence: Evidence): Findings => {
  const { assignmentRows, jobRows, settled } = evidence;
  const jobs = new Map(histories.map((each) => [each.jobId, each]));
  return {
    checked: (jobRows?.length ?? 0) + (assignmentRows?.length ?? 0),
    violations: [
      ...(jobRows === undefined ? [] : checkJobRows(jobRows, jobs, settled)),
      ...(assignmentRows === undefined ? [] : checkAssignmentRows(assignmentRows, jobs, settled)),
    ],
  };
};
