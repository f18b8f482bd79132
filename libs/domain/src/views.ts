/**
 * Read models of jobs and assignments as pure folds over decoded events: the rows of the audit service and what the
 * api answers from the store have one shape, because both come from here.
 *
 * A job's row takes events of `job-<id>` and of its `assignment-<id>-…` streams, in order of position. The
 * `…FromEvents` functions sort, so streams loaded one after the other may be given as they are.
 */
import {
  type AssignmentRef,
  type AssignmentView,
  type Event,
  type JobDetail,
  type Position,
  type Status,
  actorText,
  assignmentId,
  documentOf,
  isEnd,
} from '@signalbox/contracts';

const later = (left: Position, right: Position): Position => (left > right ? left : right);

/** One device: the assignment's status is the job's. With more targets, or a number not known yet, it is not. */
const hasOneTarget = (view: JobDetail): boolean =>
  view.target.type === 'device' && view.target.ids.length === 1;

/** Order of the open statuses, by which a job of many targets moves on and never back. */
const progress: Readonly<Partial<Record<Status, number>>> = { QUEUED: 0, SCHEDULED: 1, IN_PROGRESS: 2 };

/**
 * The job's status after an assignment took a step. A job ends only by the event that announces its end: an assignment's
 * own end moves nothing here, and with several targets neither does one that goes back to QUEUED.
 */
const rolledUp = (view: JobDetail, to: Status): Status => {
  if (isEnd(view.status) || isEnd(to)) return view.status;
  if (hasOneTarget(view)) return to;
  return (progress[to] ?? 0) > (progress[view.status] ?? 0) ? to : view.status;
};

const createdJob = (event: Event<'JobCreated'>): JobDetail => ({
  jobId: event.data.jobId,
  name: event.data.name,
  status: 'QUEUED',
  target: event.data.target,
  priority: event.data.priority,
  notBefore: event.data.notBefore,
  limits: event.data.limits,
  templateId: event.data.template?.id ?? null,
  documentHash: event.data.documentHash,
  createdAt: event.occurredAt,
  createdBy: actorText(event.actor),
  startedAt: null,
  endedAt: null,
  cancelRequestedAt: null,
  retryOf: event.data.retryOf,
  reason: event.data.reason,
  counts: null,
  position: event.position,
  document: documentOf(event.data.document),
});

const jobStatusChanged = (view: JobDetail, event: Event<'JobStatusChanged'>): JobDetail => {
  const { job, assignment, to } = event.data;
  const moved = {
    ...view,
    status: assignment === null ? view.status : rolledUp(view, to),
    startedAt: view.startedAt ?? (assignment !== null && to === 'IN_PROGRESS' ? event.occurredAt : null),
    position: later(view.position, event.position),
  };
  if (job === null || view.endedAt !== null) return moved;
  return { ...moved, status: job.status, counts: job.counts, endedAt: event.occurredAt };
};

/**
 * The job's row after one more event. Undefined while `JobCreated` is missing; events that say nothing about a job's row
 * return the same object. Counts stay null until the event that ends the job brings them.
 */
export const evolveJobView = (view: JobDetail | undefined, event: Event): JobDetail | undefined => {
  if (event.type === 'JobCreated') return view ?? createdJob(event);
  if (view === undefined || jobIdOf(event) !== view.jobId) return view;
  switch (event.type) {
    case 'JobAssigned':
      return { ...view, status: rolledUp(view, 'SCHEDULED'), position: later(view.position, event.position) };
    case 'JobStatusChanged':
      return jobStatusChanged(view, event);
    case 'JobCancelRequested':
      return {
        ...view,
        cancelRequestedAt: view.cancelRequestedAt ?? event.occurredAt,
        position: later(view.position, event.position),
      };
    default:
      return view;
  }
};

/** What an attempt shows before anything happened in it. */
const untouched = {
  startedAt: null,
  endedAt: null,
  leaseExpired: false,
  reason: null,
  result: null,
} as const;

const assigned = (view: AssignmentView | undefined, event: Event<'JobAssigned'>): AssignmentView => ({
  assignmentId: assignmentId(event.data.jobId, event.data.targetId),
  jobId: event.data.jobId,
  targetId: event.data.targetId,
  agentId: event.data.agentId,
  status: 'SCHEDULED',
  attempt: event.data.attempt,
  maxAttempts: event.data.maxAttempts,
  assignedAt: event.occurredAt,
  ...untouched,
  previousAttempts: view?.previousAttempts ?? [],
  position: event.position,
});

/** An assignment that ended before it was ever assigned: `maxAttempts` is the attempt it would have been. */
const neverAssigned = (event: Event<'JobStatusChanged'>, ref: AssignmentRef): AssignmentView => ({
  assignmentId: ref.id,
  jobId: event.data.jobId,
  targetId: ref.targetId,
  agentId: ref.agentId,
  status: event.data.from,
  attempt: ref.attempt,
  maxAttempts: ref.attempt,
  assignedAt: null,
  ...untouched,
  previousAttempts: [],
  position: event.position,
});

const assignmentStatusChanged = (
  view: AssignmentView | undefined,
  event: Event<'JobStatusChanged'>,
): AssignmentView | undefined => {
  const { assignment, attemptEnd, reason, result, to } = event.data;
  if (assignment === null) return view;
  const before = view ?? neverAssigned(event, assignment);
  const { attempt } = assignment;
  return {
    ...before,
    agentId: assignment.agentId,
    status: to,
    attempt,
    startedAt: to === 'IN_PROGRESS' ? event.occurredAt : to === 'QUEUED' ? null : before.startedAt,
    endedAt: isEnd(to) ? event.occurredAt : null,
    leaseExpired: false,
    reason,
    result,
    previousAttempts:
      attemptEnd === null
        ? before.previousAttempts
        : [...before.previousAttempts, { ...attemptEnd, attempt, endedAt: event.occurredAt }],
    position: event.position,
  };
};

/**
 * The assignment's row after one more event of its stream; events of other streams and about the job as a whole return
 * the same object. `leaseExpired` is true only while an attempt is open whose agent was not heard of in time.
 */
export const evolveAssignmentView = (
  view: AssignmentView | undefined,
  event: Event,
): AssignmentView | undefined => {
  const id = assignmentIdOf(event);
  if (id === undefined || (view !== undefined && view.assignmentId !== id)) return view;
  if (view !== undefined && isEnd(view.status)) return view;
  switch (event.type) {
    case 'JobAssigned':
      return assigned(view, event);
    case 'JobStatusChanged':
      return assignmentStatusChanged(view, event);
    case 'LeaseExpired':
    case 'LeaseResumed':
      if (view === undefined || event.data.attempt !== view.attempt) return view;
      return { ...view, leaseExpired: event.type === 'LeaseExpired', position: event.position };
    default:
      return view;
  }
};

/** Id of the job that an event is about; undefined for events about something else. */
export const jobIdOf = (event: Event): string | undefined =>
  'jobId' in event.data ? event.data.jobId : undefined;

/** Id of the assignment that an event is about; undefined for events about a job as a whole or something else. */
export const assignmentIdOf = (event: Event): string | undefined => {
  switch (event.type) {
    case 'JobAssigned':
    case 'LeaseExpired':
    case 'LeaseResumed':
      return assignmentId(event.data.jobId, event.data.targetId);
    case 'JobStatusChanged':
      return event.data.assignment?.id;
    default:
      return undefined;
  }
};

/** Row of one job from the events of `job-<id>` and its assignment streams; undefined without `JobCreated`. */
export const jobViewFromEvents = (events: readonly Event[]): JobDetail | undefined =>
  inOrder(events).reduce<JobDetail | undefined>(evolveJobView, undefined);

/** Rows of all assignments that occur in the events, by assignment id. */
export const assignmentViewsFromEvents = (events: readonly Event[]): readonly AssignmentView[] => {
  const views = new Map<string, AssignmentView>();
  for (const event of inOrder(events)) {
    const id = assignmentIdOf(event);
    if (id === undefined) continue;
    const view = evolveAssignmentView(views.get(id), event);
    if (view !== undefined) views.set(id, view);
  }
  return [...views.values()].sort((left, right) => (left.assignmentId < right.assignmentId ? -1 : 1));
};

const inOrder = (events: readonly Event[]): Event[] =>
  events.toSorted((left, right) =>
    left.position === right.position ? 0 : left.position < right.position ? -1 : 1,
  );
