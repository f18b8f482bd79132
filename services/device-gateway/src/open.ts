import { type DataOf, type Event, assignmentId } from '@signalbox/contracts';
import { type AssignmentState, assignment } from '@signalbox/domain';
import { type Loaded, empty, fold } from '@signalbox/event-store';

/** An attempt that an agent may claim or is working on. Ended and queued assignments have none. */
export interface OpenAssignment {
  readonly id: string;
  readonly jobId: string;
  readonly targetId: string;
  readonly assigned: DataOf<'JobAssigned'>;
  /** Folded from the bus: a status is decided on it without a query, at its exact version. */
  readonly loaded: Loaded<AssignmentState>;
  readonly assignedEventId: string;
  readonly claimedAt: string | null;
  readonly cancelRequested: boolean;
  readonly traceparent: string | null;
}

const assignedBy = (event: Event<'JobAssigned'>): OpenAssignment => ({
  id: assignmentId(event.data.jobId, event.data.targetId),
  jobId: event.data.jobId,
  targetId: event.data.targetId,
  assigned: event.data,
  loaded: fold(assignment, empty(assignment), event),
  assignedEventId: event.id,
  claimedAt: null,
  cancelRequested: false,
  traceparent: event.traceparent ?? null,
});

/** What follows from the claim follows from its span. */
const claimedBy = (open: OpenAssignment, event: Event) =>
  open.claimedAt === null
    ? { claimedAt: event.occurredAt, traceparent: event.traceparent ?? open.traceparent }
    : {};

/** The open attempt after one more event; undefined where there is none (any more). Passed versions change nothing. */
export const evolveOpen = (open: OpenAssignment | undefined, event: Event): OpenAssignment | undefined => {
  if (event.type === 'JobCancelRequested') return open && { ...open, cancelRequested: true };
  if (open !== undefined && event.streamVersion <= open.loaded.version) return open;
  if (event.type === 'JobAssigned') return assignedBy(event);
  if (open === undefined) return undefined;
  const loaded = fold(assignment, open.loaded, event);
  switch (loaded.state.status) {
    case 'SCHEDULED':
      return { ...open, loaded };
    case 'IN_PROGRESS':
      return { ...open, loaded, ...claimedBy(open, event) };
    default:
      return undefined;
  }
};

/** The agent that may act on an open attempt: the one that claimed it, or the one that it is assigned to. */
export const agentOf = (open: OpenAssignment): string | null => {
  const { state } = open.loaded;
  return 'agentId' in state ? state.agentId : null;
};

/** True while this agent runs this attempt. */
export const isRunBy = (open: OpenAssignment | undefined, agentId: string, attempt: number): boolean => {
  const state = open?.loaded.state;
  return state?.status === 'IN_PROGRESS' && state.attempt === attempt && state.agentId === agentId;
};

/** Which open attempts an event is about: one assignment, or all of a job. */
export const subjectOf = (event: Event): { readonly id?: string; readonly jobId?: string } => {
  switch (event.type) {
    case 'JobAssigned':
    case 'LeaseExpired':
    case 'LeaseResumed':
      return { id: assignmentId(event.data.jobId, event.data.targetId) };
    case 'JobStatusChanged':
      return event.data.assignment === null ? {} : { id: event.data.assignment.id };
    case 'JobCancelRequested':
      return { jobId: event.data.jobId };
    default:
      return {};
  }
};
