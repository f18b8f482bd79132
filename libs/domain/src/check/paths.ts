import { type Event, type Status, isEnd, transitions } from '@signalbox/contracts';
import { type Findings, type Violation, violation } from './evidence.ts';
import { type JobHistory, hasEnded, runsOf } from './history.ts';

const mayBecome = (from: Status, to: Status): boolean => transitions[from].some((each) => each === to);

/** The steps of one assignment, from QUEUED on. */
const checkPath = (events: readonly Event[]): readonly Violation[] => {
  const found: Violation[] = [];
  let status: Status = 'QUEUED';
  for (const event of events) {
    if (isEnd(status)) found.push(violation(2, event, `expected nothing after ${status}, got ${event.type}`));
    if (event.type === 'JobAssigned') {
      if (status !== 'QUEUED')
        found.push(violation(2, event, `expected JobAssigned from QUEUED, got it from ${status}`));
      status = 'SCHEDULED';
    } else if (event.type === 'JobStatusChanged') {
      const { from, to } = event.data;
      if (from !== status)
        found.push(violation(2, event, `expected a step from ${status}, got one from ${from}`));
      else if (!mayBecome(from, to))
        found.push(violation(2, event, `expected a step of the diagram, got ${from} to ${to}`));
      status = to;
    } else if (status !== 'IN_PROGRESS') {
      found.push(violation(2, event, `expected ${event.type} while IN_PROGRESS, got it while ${status}`));
    }
  }
  return found;
};

const checkAnnouncement = ({ assignments, created, ends }: JobHistory): readonly Violation[] => {
  const found = ends.slice(1).map((end) => violation(2, end, 'expected one end of the job, got another'));
  const [end] = ends;
  if (created === undefined) return found;
  const { targets } = created.data;
  if (targets === 1 && end === undefined && [...assignments.values()].some(hasEnded)) {
    found.push(
      violation(2, created, 'expected the assignment’s end to announce the job’s, got no announcement'),
    );
  }
  if (end === undefined) return found;
  const { assignment, job, to } = end.data;
  const { total = 0, ...byStatus } = job?.counts ?? {};
  const sum = Object.values(byStatus).reduce((left, right) => left + right, 0);
  if (targets !== null && (total !== targets || sum !== targets)) {
    found.push(violation(2, end, `expected counts of ${targets} targets, got ${sum} of ${total}`));
  }
  if (assignment !== null && targets === 1 && job?.status !== to) {
    found.push(
      violation(2, end, `expected the job to end as its assignment, ${to}, got ${job?.status ?? 'nothing'}`),
    );
  }
  return found;
};

const unusual: readonly string[] = ['JobCancelRequested', 'LeaseExpired', 'LeaseResumed'];

/** One target, assigned once, run to its end, nothing special: told in exactly four events. */
const isSimple = ({ assignments, created, ends, events }: JobHistory): boolean =>
  created?.data.targets === 1 &&
  ends.length > 0 &&
  !events.some((event) => unusual.includes(event.type)) &&
  [...assignments.values()].every((own) => {
    const runs = runsOf(own);
    return runs.length === 1 && own.filter((event) => event.type === 'JobAssigned').length === 1;
  });

const checkStory = (history: JobHistory, correlated: ReadonlyMap<string, number>): readonly Violation[] => {
  const found = history.events
    .filter((event) => event.correlationId !== history.jobId)
    .map((event) =>
      violation(2, event, `expected correlation id ${history.jobId}, got ${event.correlationId}`),
    );
  const count = correlated.get(history.jobId) ?? 0;
  const [first] = history.events;
  if (first !== undefined && isSimple(history) && count !== 4) {
    found.push(violation(2, first, `expected the story of a simple job in 4 events, got ${count}`));
  }
  return found;
};

/** Invariant 2: steps of the diagram, final ends, one announcement of a job's end, four events for a simple job. */
export const checkPaths = (histories: readonly JobHistory[], events: readonly Event[]): Findings => {
  const correlated = new Map<string, number>();
  for (const { correlationId } of events)
    correlated.set(correlationId, (correlated.get(correlationId) ?? 0) + 1);
  const assignments = histories.flatMap((each) => [...each.assignments.values()]);
  return {
    checked: assignments.length,
    violations: [
      ...assignments.flatMap(checkPath),
      ...histories.flatMap(checkAnnouncement),
      ...histories.flatMap((each) => checkStory(each, correlated)),
    ],
  };
};
