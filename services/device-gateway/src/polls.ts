import {
  type AttemptRef,
  DomainError,
  type Offer,
  type Poll,
  type PollAnswer,
  assignmentId,
} from '@signalbox/contracts';
import { type AttemptDeps, refresh } from './attempt-state.ts';
import { claim, show } from './attempts.ts';
import type { AgentIdentity } from './credentials.ts';
import { type OpenAssignment, isRunBy } from './open.ts';

/** After a cancel was told the agent needs a moment; it is told again until it has stopped. */
const afterCancelMs = 1_000;
const afterDrainMs = 500;

const refOf = (open: OpenAssignment): AttemptRef => ({
  jobId: open.jobId,
  targetId: open.targetId,
  attempt: open.assigned.attempt,
});

const names = (ref: AttemptRef, open: OpenAssignment): boolean =>
  ref.jobId === open.jobId && ref.targetId === open.targetId && ref.attempt === open.assigned.attempt;

const isRunning = (open: OpenAssignment): boolean => open.loaded.state.status === 'IN_PROGRESS';

/** Held attempts that the log has ended. Where memory does not show an attempt as running it may be behind: the store tells. */
const endedOf = async (deps: AttemptDeps, agent: AgentIdentity, holding: readonly AttemptRef[]) => {
  const ended: AttemptRef[] = [];
  for (const ref of holding) {
    const known = deps.open.get(assignmentId(ref.jobId, ref.targetId));
    if (isRunBy(known, agent.agentId, ref.attempt)) continue;
    const open = await refresh(deps, ref.jobId, ref.targetId);
    if (!isRunBy(open, agent.agentId, ref.attempt)) ended.push(ref);
  }
  return ended;
};

/** An attempt of this agent that it does not name is the answer: it was claimed, and the answer to the claim was lost. */
const offer = async (deps: AttemptDeps, agent: AgentIdentity, request: Poll): Promise<Offer | null> => {
  if (!request.accept) return null;
  for (const open of deps.open.ofAgent(agent.agentId)) {
    if (open.cancelRequested) continue;
    if (isRunning(open) && request.holding.some((ref) => names(ref, open))) continue;
    try {
      return request.claim || isRunning(open)
        ? await claim(deps, agent, refOf(open))
        : await show(deps, agent, open);
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      await refresh(deps, open.jobId, open.targetId);
    }
  }
  return null;
};

const revoked = (): DomainError =>
  new DomainError(
    'unauthenticated',
    'expected a credential that counts, got one that was revoked; enrol anew',
  );

/**
 * Answers what concerns an agent, at once or when there is something within `waitMs`: a cancel, an attempt to drop, an
 * attempt to run. An empty poll is answered from memory, without a database query.
 *
 * @param gone fires when the agent has hung up; nothing is claimed for it then
 */
export const poll = async (
  deps: AttemptDeps,
  agent: AgentIdentity,
  request: Poll,
  gone: AbortSignal,
): Promise<PollAnswer> => {
  const deadline = performance.now() + request.waitMs;
  for (;;) {
    if (deps.isRevoked(agent.agentId)) throw revoked();
    const seen = deps.open.changesOf(agent.agentId);
    const drop = await endedOf(deps, agent, request.holding);
    const mine = deps.open.ofAgent(agent.agentId);
    const cancel = mine.filter((open) => open.cancelRequested && isRunning(open)).map(refOf);
    const offered = gone.aborted || deps.open.isDraining ? null : await offer(deps, agent, request);
    const leftMs = deadline - performance.now();
    const nothing = offered === null && cancel.length === 0 && drop.length === 0;
    if (!nothing || leftMs <= 0 || gone.aborted || deps.open.isDraining) {
      const pollAfterMs = deps.open.isDraining ? afterDrainMs : cancel.length > 0 ? afterCancelMs : 0;
      return { offer: offered, cancel, drop, pollAfterMs };
    }
    await deps.open.wait(agent.agentId, seen, leftMs, gone);
  }
};
