import {
  type AttemptRef,
  DomainError,
  type Offer,
  type Renewed,
  assignmentId,
  decodeEvent,
  deriveId,
  documentOf,
  streams,
} from '@signalbox/contracts';
import { type AssignmentCommand, type AssignmentState, assignment } from '@signalbox/domain';
import { type CommandContext, type EventStore, type Outcome, handleCommand } from '@signalbox/event-store';
import type { AgentIdentity } from './credentials.ts';
import type { JobDocuments } from './job-documents.ts';
import { type OpenAssignment, evolveOpen } from './open.ts';
import type { OpenAssignments } from './open-assignments.ts';
import type { Leases } from './tables/leases.ts';

export interface AttemptDeps {
  readonly store: EventStore;
  readonly open: OpenAssignments;
  readonly documents: JobDocuments;
  readonly leases: Leases;
  readonly leaseMs: (kind: AgentIdentity['kind']) => number;
  readonly now: () => string;
  readonly onError: (message: string, error: unknown) => void;
}

const readPage = 1000;

/** The open attempt as the store has it now, put into memory; undefined where none is open. */
export const refresh = async (
  deps: AttemptDeps,
  jobId: string,
  targetId: string,
): Promise<OpenAssignment | undefined> => {
  let open: OpenAssignment | undefined;
  for (let from = 1; ; from += readPage) {
    const page = await deps.store.read(streams.assignment(jobId, targetId), from, readPage);
    for (const recorded of page) open = evolveOpen(open, decodeEvent(recorded));
    if (page.length < readPage) break;
  }
  const id = assignmentId(jobId, targetId);
  const before = deps.open.get(id);
  const merged = open && { ...open, cancelRequested: before?.cancelRequested ?? false };
  // Memory may be ahead of what was read; it is never put back.
  if (before === undefined || merged === undefined || merged.loaded.version >= before.loaded.version) {
    deps.open.set(id, merged);
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
  for (const recorded of outcome.events) deps.open.apply(decodeEvent(recorded));
  return outcome;
};

const offerOf = async (
  deps: AttemptDeps,
  agent: AgentIdentity,
  open: OpenAssignment,
  how: { readonly claimed: boolean; readonly resumed: boolean },
): Promise<Offer> => {
  const created = await deps.documents.get(open.jobId);
  const { attempt, maxAttempts, runTimeoutMs, killGraceMs, documentHash } = open.assigned;
  const ranMs = open.claimedAt === null ? 0 : Date.parse(deps.now()) - Date.parse(open.claimedAt);
  return {
    jobId: open.jobId,
    targetId: open.targetId,
    attempt,
    maxAttempts,
    ...how,
    name: created.name,
    document: documentOf(created.document),
    documentHash,
    runTimeoutMs,
    remainingMs: Math.min(runTimeoutMs, Math.max(0, runTimeoutMs - ranMs)),
    killGraceMs,
    leaseMs: deps.leaseMs(agent.kind),
    ...(open.traceparent === null ? {} : { traceparent: open.traceparent }),
  };
};

/** Shows an attempt without taking it. */
export const show = (deps: AttemptDeps, agent: AgentIdentity, open: OpenAssignment): Promise<Offer> =>
  offerOf(deps, agent, open, { claimed: false, resumed: false });

/**
 * Takes an attempt: first the lease row, then SCHEDULED to IN_PROGRESS at the exact version; where that is refused the row
 * goes again. An agent that repeats its claim gets the same attempt.
 *
 * @throws DomainError `attempt-ended`, `not-claimable`
 */
export const claim = async (deps: AttemptDeps, agent: AgentIdentity, ref: AttemptRef): Promise<Offer> => {
  const before = await find(deps, ref);
  const { jobId, targetId, attempt } = ref;
  const lease = { assignmentId: assignmentId(jobId, targetId), attempt, agentId: agent.agentId };
  const command = { type: 'Claim', jobId, targetId, agentId: agent.agentId, attempt } as const;
  if (before === undefined || before.assigned.attempt !== attempt) {
    assignment.decide(before?.loaded.state ?? assignment.initialState, command);
    throw new DomainError('not-claimable', `expected an attempt to claim, got none of number ${attempt}`);
  }
  assignment.decide(before.loaded.state, command);
  await deps.documents.get(jobId);
  if (!(await deps.leases.take(lease, deps.leaseMs(agent.kind)))) {
    throw new DomainError('not-claimable', 'expected a free attempt, got one that another agent is claiming');
  }
  const resumed = before.loaded.state.status === 'IN_PROGRESS';
  try {
    // A repeated claim of an attempt whose lease had expired is a word of an agent that is back.
    await decideOn(deps, ref, resumed ? { ...command, type: 'ResumeLease' } : command, before);
  } catch (error) {
    if (error instanceof DomainError) {
      await deps.leases.drop(lease);
      await refresh(deps, jobId, targetId);
    }
    throw error;
  }
  const open = deps.open.get(lease.assignmentId) ?? before;
  return offerOf(deps, agent, open, { claimed: true, resumed });
};

/**
 * Renews a lease. A device whose lease had expired while its attempt is open goes on: the log says so first.
 *
 * @throws DomainError `attempt-ended`
 */
export const renew = async (deps: AttemptDeps, agent: AgentIdentity, ref: AttemptRef): Promise<Renewed> => {
  const leaseMs = deps.leaseMs(agent.kind);
  const { jobId, targetId, attempt } = ref;
  const lease = { assignmentId: assignmentId(jobId, targetId), attempt, agentId: agent.agentId };
  const open = await find(deps, ref);
  const command = { type: 'ResumeLease', jobId, targetId, agentId: agent.agentId, attempt } as const;
  // Refuses words of an attempt that is not this agent's or not open.
  assignment.decide(open?.loaded.state ?? assignment.initialState, command);
  const state = open?.loaded.state;
  const expired = state?.status === 'IN_PROGRESS' && state.leaseExpired;
  if (expired || !(await deps.leases.renew(lease, leaseMs))) {
    await decideOn(deps, ref, command, await refresh(deps, jobId, targetId));
    await deps.leases.take(lease, leaseMs);
  }
  return { leaseMs, cancel: deps.open.get(lease.assignmentId)?.cancelRequested ?? false };
};
