import { type AttemptRef, assignmentId, decodeEvent, deriveId, streams } from '@signalbox/contracts';
import { type AssignmentCommand, type AssignmentState, assignment, job } from '@signalbox/domain';
import {
  type CommandContext,
  type EventStore,
  type Outcome,
  handleCommand,
  load,
} from '@signalbox/event-store';
import {
  type Tracing,
  assignmentIdAttribute,
  attemptAttribute,
  jobIdAttribute,
} from '@signalbox/service-kit';
import type { AgentIdentity } from './credentials.ts';
import type { JobDocuments } from './job-documents.ts';
import { type OpenAssignment, evolveOpen } from './open.ts';
import type { OpenAssignments } from './open-assignments.ts';
import type { Output } from './output.ts';
import type { Leases } from './tables/leases.ts';
import type { AttemptKey } from './tables/output.ts';

export interface AttemptDeps {
  readonly store: EventStore;
  readonly open: OpenAssignments;
  readonly documents: JobDocuments;
  readonly leases: Leases;
  readonly output: Output;
  /** True once it is known that the agent's credential was revoked. */
  readonly isRevoked: (agentId: string) => boolean;
  readonly leaseMs: (kind: AgentIdentity['kind']) => number;
  readonly now: () => string;
  readonly onError: (message: string, error: unknown) => void;
  readonly tracing: Tracing;
}

/** What every span of an attempt says. */
export const attemptAttributes = ({ jobId, targetId, attempt }: AttemptRef) => ({
  [jobIdAttribute]: jobId,
  [assignmentIdAttribute]: assignmentId(jobId, targetId),
  [attemptAttribute]: attempt,
});

/** Does something with an open attempt within its job's trace: the events of the work follow from its span. */
export const traced = <T>(
  deps: AttemptDeps,
  name: string,
  ref: AttemptRef,
  open: OpenAssignment,
  work: (open: OpenAssignment) => Promise<T>,
): Promise<T> =>
  deps.tracing.run(name, { parent: open.traceparent, attributes: attemptAttributes(ref) }, (span) =>
    work({ ...open, traceparent: span.traceparent ?? open.traceparent }),
  );

/** Where the output of an open attempt is: the day of its claim names the partition. */
export const outputKeyOf = (open: OpenAssignment, now: string): AttemptKey & { readonly jobId: string } => ({
  assignmentId: open.id,
  jobId: open.jobId,
  attempt: open.assigned.attempt,
  day: (open.claimedAt ?? now).slice(0, 10),
});

const readPage = 1000;

/** Whether the job's cancel was requested, as the store says. */
const isCancelRequested = async (deps: AttemptDeps, jobId: string): Promise<boolean> => {
  const { state } = await load(deps.store, job, streams.job(jobId));
  return state.kind === 'open' && state.cancelRequested;
};

/**
 * The open attempt as the store has it now, put into memory; undefined where none is open. What the follower has applied
 * meanwhile is never put back.
 */
export const refresh = async (
  deps: AttemptDeps,
  jobId: string,
  targetId: string,
): Promise<OpenAssignment | undefined> => {
  const id = assignmentId(jobId, targetId);
  let open: OpenAssignment | undefined;
  let version = 0;
  for (let from = 1; ; from += readPage) {
    const page = await deps.store.read(streams.assignment(jobId, targetId), from, readPage);
    for (const recorded of page) open = evolveOpen(open, decodeEvent(recorded));
    version = page.at(-1)?.streamVersion ?? version;
    if (page.length < readPage) break;
  }
  const cancelRequested =
    open !== undefined && (deps.open.get(id)?.cancelRequested ?? (await isCancelRequested(deps, jobId)));
  const before = deps.open.get(id);
  if (before === undefined || before.loaded.version <= version) {
    deps.open.set(id, open && { ...open, cancelRequested: before?.cancelRequested ?? cancelRequested });
  }
  return deps.open.get(id);
};

/** The attempt from memory, or from the store where memory may be behind. */
export const find = async (deps: AttemptDeps, ref: AttemptRef): Promise<OpenAssignment | undefined> => {
  const open = deps.open.get(assignmentId(ref.jobId, ref.targetId));
  return open !== undefined && open.assigned.attempt >= ref.attempt
    ? open
    : refresh(deps, ref.jobId, ref.targetId);
};

/** Decides on what memory knows, appends, and folds what came of it into memory. */
export const decideOn = async (
  deps: AttemptDeps,
  ref: AttemptRef,
  command: AssignmentCommand & { readonly agentId: string },
  open: OpenAssignment | undefined,
): Promise<Outcome<AssignmentState>> => {
  const { jobId, targetId, attempt } = ref;
  const id = assignmentId(jobId, targetId);
  const context: CommandContext = {
    commandId: deriveId(
      'gateway',
      id,
      attempt,
      command.type,
      command.agentId,
      deps.open.get(id)?.loaded.version ?? 0,
    ),
    actor: { type: 'agent', id: command.agentId },
    correlationId: jobId,
    causationId: open?.assignedEventId ?? null,
    now: deps.now(),
    ...(typeof open?.traceparent === 'string' ? { traceparent: open.traceparent } : {}),
  };
  const stream = streams.assignment(jobId, targetId);
  const outcome = await handleCommand(deps.store, assignment, stream, command, context, open?.loaded);
  for (const event of outcome.events) deps.open.apply(event);
  return outcome;
};
