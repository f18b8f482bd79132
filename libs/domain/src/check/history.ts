import { type Event, isEnd } from '@signalbox/contracts';
import { assignmentIdOf, jobIdOf } from '../views.ts';

type Created = Event<'JobCreated'>;
type Changed = Event<'JobStatusChanged'>;
export type Assigned = Event<'JobAssigned'>;

/** All events of one job, in order, sorted out by what they are about. */
export interface JobHistory {
  readonly jobId: string;
  readonly events: readonly Event[];
  readonly created: Created | undefined;
  readonly cancelRequest: Event<'JobCancelRequested'> | undefined;
  /** Events that announce the end of the job as a whole. */
  readonly ends: readonly Changed[];
  /** By assignment id. */
  readonly assignments: ReadonlyMap<string, readonly Event[]>;
}

/** One run of an attempt: from its claim to the event that ended it. */
export interface Run {
  readonly assigned: Assigned | undefined;
  readonly claim: Changed;
  readonly end: Changed | undefined;
}

const groupBy = <T>(
  items: readonly T[],
  keyOf: (item: T) => string | undefined,
): ReadonlyMap<string, readonly T[]> => {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    if (key === undefined) continue;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
};

const historyOf = (jobId: string, events: readonly Event[]): JobHistory => ({
  jobId,
  events,
  created: events.find((event) => event.type === 'JobCreated'),
  cancelRequest: events.find((event) => event.type === 'JobCancelRequested'),
  ends: events.flatMap((event) =>
    event.type === 'JobStatusChanged' && event.data.job !== null ? [event] : [],
  ),
  assignments: groupBy(events, assignmentIdOf),
});

/** The log by job, in the order in which jobs appear. */
export const historiesOf = (events: readonly Event[]): readonly JobHistory[] =>
  [...groupBy(events, jobIdOf)].map(([jobId, own]) => historyOf(jobId, own));

/** The runs in the events of one assignment. */
export const runsOf = (events: readonly Event[]): readonly Run[] => {
  const runs: Run[] = [];
  let assigned: Assigned | undefined;
  for (const event of events) {
    if (event.type === 'JobAssigned') assigned = event;
    if (event.type !== 'JobStatusChanged') continue;
    const open = runs.at(-1);
    if (event.data.to === 'IN_PROGRESS') runs.push({ assigned, claim: event, end: undefined });
    else if (open !== undefined && open.end === undefined) runs[runs.length - 1] = { ...open, end: event };
  }
  return runs;
};

/** True when an assignment's events reach an end. */
export const hasEnded = (events: readonly Event[]): boolean =>
  events.some((event) => event.type === 'JobStatusChanged' && isEnd(event.data.to));
