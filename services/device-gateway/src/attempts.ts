import {
  type AttemptRef,
  type DataOf,
  DomainError,
  type Offer,
  type Renewed,
  assignmentId,
  documentOf,
  streams,
} from '@signalbox/contracts';
import { type AgentWord, type AssignmentCommand, assignment, job } from '@signalbox/domain';
import { load } from '@signalbox/event-store';
import { type AttemptDeps, decideOn, find, outputKeyOf, refresh, traced } from './attempt-state.ts';
import type { AgentIdentity } from './credentials.ts';
import { type OpenAssignment, isRunBy } from './open.ts';
import { stored } from './output.ts';
import type { Lease } from './tables/leases.ts';

const offerOf = (
  deps: AttemptDeps,
  agent: AgentIdentity,
  open: OpenAssignment,
  created: DataOf<'JobCreated'>,
  how: Pick<Offer, 'claimed' | 'resumed' | 'output'>,
): Offer => {
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
export const show = async (deps: AttemptDeps, agent: AgentIdentity, open: OpenAssignment): Promise<Offer> =>
  offerOf(deps, agent, open, await deps.documents.get(open.jobId), { claimed: false, resumed: false });

/** The job of an attempt that may start; an attempt of a job that is to be canceled is marked, so that nobody tries again. */
const documentFor = async (deps: AttemptDeps, open: OpenAssignment): Promise<DataOf<'JobCreated'>> => {
  try {
    return await deps.documents.get(open.jobId);
  } catch (error) {
    const current = deps.open.get(open.id);
    if (error instanceof DomainError && error.code === 'not-claimable' && current !== undefined) {
      deps.open.set(open.id, { ...current, cancelRequested: true });
    }
    throw error;
  }
};

/** Appends the claim; where it is refused, or the log has moved on, the lease row goes again. */
const appendClaim = async (
  deps: AttemptDeps,
  lease: Lease,
  open: OpenAssignment,
  command: AssignmentCommand & AgentWord,
): Promise<void> => {
  try {
    const { state } = await decideOn(deps, command, command, open);
    if (isRunBy({ ...open, loaded: { ...open.loaded, state } }, lease.agentId, lease.attempt)) return;
    throw new DomainError(
      'attempt-ended',
      `expected attempt ${lease.attempt} to be open, got one that has ended`,
    );
  } catch (error) {
    if (error instanceof DomainError) {
      await deps.leases.drop(lease);
      await refresh(deps, open.jobId, open.targetId);
    }
    throw error;
  }
};

/** An agent that asks again for the attempt it runs: decided on the store, since memory may be behind the attempt's end. */
const resume = async (deps: AttemptDeps, agent: AgentIdentity, ref: AttemptRef): Promise<Offer> => {
  const open = await refresh(deps, ref.jobId, ref.targetId);
  const word = { jobId: ref.jobId, targetId: ref.targetId, attempt: ref.attempt, agentId: agent.agentId };
  const lease = {
    assignmentId: assignmentId(ref.jobId, ref.targetId),
    attempt: ref.attempt,
    agentId: agent.agentId,
  };
  await takeBack(deps, lease, deps.leaseMs(agent.kind), { type: 'ResumeLease', ...word }, open);
  const current = deps.open.get(lease.assignmentId) ?? open;
  const { state } = await load(deps.store, job, streams.job(ref.jobId));
  if (state.kind === 'none' || current === undefined) {
    throw new DomainError('not-found', `expected a known job, got ${ref.jobId}`);
  }
  // Only the table knows what another replica has stored; the agent decides by it what it has to send.
  const output = stored(await deps.output.tail(outputKeyOf(current, deps.now()), true));
  return offerOf(deps, agent, current, state.created, { claimed: true, resumed: true, output });
};

/**
 * Takes an attempt: first the lease row, then SCHEDULED to IN_PROGRESS at the exact version; where that is refused the row
 * goes again. An agent that repeats its claim gets the same attempt.
 *
 * @throws DomainError `attempt-ended`, `not-claimable`
 */
export const claim = async (deps: AttemptDeps, agent: AgentIdentity, ref: AttemptRef): Promise<Offer> => {
  const open = await find(deps, ref);
  const { jobId, targetId, attempt } = ref;
  const lease = { assignmentId: assignmentId(jobId, targetId), attempt, agentId: agent.agentId };
  const command = { type: 'Claim', jobId, targetId, agentId: agent.agentId, attempt } as const;
  // Refuses what is not this agent's to take.
  assignment.decide(open?.loaded.state ?? assignment.initialState, command);
  if (open === undefined || open.assigned.attempt !== attempt) {
    throw new DomainError('not-claimable', `expected an attempt to claim, got none of number ${attempt}`);
  }
  if (isRunBy(open, agent.agentId, attempt)) return resume(deps, agent, ref);
  if (open.cancelRequested) {
    throw new DomainError('not-claimable', `expected a job to run, got ${jobId}, whose cancel was requested`);
  }
  const created = await documentFor(deps, open);
  if (!(await deps.leases.take(lease, deps.leaseMs(agent.kind)))) {
    throw new DomainError('not-claimable', 'expected a free attempt, got one that another agent is claiming');
  }
  await traced(deps, 'claim', ref, open, (within) => appendClaim(deps, lease, within, command));
  return offerOf(deps, agent, deps.open.get(lease.assignmentId) ?? open, created, {
    claimed: true,
    resumed: false,
  });
};

/**
 * Opens the lease of an agent that is back: the log says so first, then the row. The row is marked as not in the log
 * before, so that a crash in between lets the sweep look again.
 */
const takeBack = async (
  deps: AttemptDeps,
  lease: Lease,
  leaseMs: number,
  command: AssignmentCommand & AgentWord,
  open: OpenAssignment | undefined,
): Promise<void> => {
  await deps.leases.unlog(lease);
  await decideOn(deps, command, command, open);
  await deps.leases.take(lease, leaseMs);
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
    await takeBack(deps, lease, leaseMs, command, await refresh(deps, jobId, targetId));
  }
  return { leaseMs, cancel: deps.open.get(lease.assignmentId)?.cancelRequested ?? false };
};
