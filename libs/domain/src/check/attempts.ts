import type { Event } from '@signalbox/contracts';
import { type Evidence, type Findings, type Violation, elapsedMs, violation } from './evidence.ts';
import { type Assigned, type JobHistory, type Run, runsOf } from './history.ts';

interface Holder {
  readonly agentId: string;
  readonly attempt: number;
}

/** Who speaks in an event about an attempt that runs; undefined for events that are no such word. */
const wordOf = (event: Event): { readonly agentId: string | null; readonly attempt: number } | undefined => {
  if (event.type === 'LeaseExpired' || event.type === 'LeaseResumed') return event.data;
  if (event.type !== 'JobStatusChanged' || event.data.from !== 'IN_PROGRESS') return undefined;
  return event.data.assignment ?? undefined;
};

const checkAssigned = (event: Assigned, last: Assigned | undefined): readonly Violation[] => {
  const { attempt, maxAttempts } = event.data;
  const expected = (last?.data.attempt ?? 0) + 1;
  const found: Violation[] = [];
  if (attempt !== expected) found.push(violation(3, event, `expected attempt ${expected}, got ${attempt}`));
  if (attempt > maxAttempts)
    found.push(violation(3, event, `expected at most ${maxAttempts} attempts, got ${attempt}`));
  return found;
};

const checkClaim = (
  event: Event<'JobStatusChanged'>,
  assigned: Assigned | undefined,
  claimed: ReadonlyMap<number, string>,
): readonly Violation[] => {
  const { agentId = null, attempt = 0 } = event.data.assignment ?? {};
  const found: Violation[] = [];
  const other = claimed.get(attempt);
  if (other !== undefined)
    found.push(violation(3, event, `expected one claim of attempt ${attempt}, got one more after ${other}`));
  if (agentId === null) found.push(violation(3, event, 'expected a claim to name its agent, got none'));
  const meant = assigned?.data.agentId ?? null;
  if (meant !== null && meant !== agentId) {
    found.push(
      violation(3, event, `expected agent ${meant}, which it is assigned to, got ${agentId ?? 'none'}`),
    );
  }
  if (attempt !== assigned?.data.attempt) {
    found.push(
      violation(3, event, `expected a claim of attempt ${assigned?.data.attempt ?? 0}, got ${attempt}`),
    );
  }
  return found;
};

const checkWord = (event: Event, holder: Holder | undefined): readonly Violation[] => {
  const word = wordOf(event);
  if (word === undefined) return [];
  const expected = holder === undefined ? 'nobody' : `${holder.agentId}, attempt ${holder.attempt}`;
  const speaker = event.actor.type === 'agent' ? event.actor.id : word.agentId;
  if (word.agentId === holder?.agentId && word.attempt === holder.attempt && speaker === holder.agentId)
    return [];
  return [
    violation(
      3,
      event,
      `expected a word of ${expected}, got one of ${speaker ?? 'nobody'}, attempt ${word.attempt}`,
    ),
  ];
};

const checkFencing = (events: readonly Event[]): readonly Violation[] => {
  const found: Violation[] = [];
  const claimed = new Map<number, string>();
  let assigned: Assigned | undefined;
  let holder: Holder | undefined;
  for (const event of events) {
    if (event.type === 'JobAssigned') {
      found.push(...checkAssigned(event, assigned));
      assigned = event;
    }
    found.push(...checkWord(event, holder));
    if (event.type !== 'JobStatusChanged') continue;
    holder = undefined;
    if (event.data.to !== 'IN_PROGRESS') continue;
    found.push(...checkClaim(event, assigned, claimed));
    const { agentId, attempt } = event.data.assignment ?? { agentId: null, attempt: 0 };
    if (agentId === null) continue;
    holder = { agentId, attempt };
    claimed.set(attempt, agentId);
  }
  return found;
};

const assignmentsOf = (histories: readonly JobHistory[]): readonly (readonly Event[])[] =>
  histories.flatMap((each) => [...each.assignments.values()]);

/** Invariant 3: attempts count 1, 2, 3; one claim of each; only who claimed it is heard while it runs. */
export const checkAttempts = (histories: readonly JobHistory[]): Findings => ({
  checked: histories.flatMap((each) => each.events.filter((event) => event.type === 'JobAssigned')).length,
  violations: assignmentsOf(histories).flatMap(checkFencing),
});

const checkRun = (
  { assigned, claim, end }: Run,
  { leaseMs, now, slackMs }: Evidence,
): readonly Violation[] => {
  if (assigned === undefined) return [];
  const { killGraceMs, runTimeoutMs } = assigned.data;
  const limitMs = runTimeoutMs + killGraceMs + leaseMs;
  const ranMs = elapsedMs(claim.occurredAt, end?.occurredAt ?? now);
  if (ranMs <= limitMs + slackMs) return [];
  const state = end === undefined ? 'is still open' : 'ended';
  return [
    violation(
      7,
      end ?? claim,
      `expected the attempt to end within ${limitMs} ms, got one that ${state} after ${ranMs} ms`,
    ),
  ];
};

/** Invariant 7: an attempt ends within its run timeout, the kill grace and one lease, whether its agent lives or not. */
export const checkRuns = (histories: readonly JobHistory[], evidence: Evidence): Findings => {
  const runs = assignmentsOf(histories).flatMap(runsOf);
  return { checked: runs.length, violations: runs.flatMap((each) => checkRun(each, evidence)) };
};
