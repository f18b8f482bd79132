import type { Event } from '@signalbox/contracts';
import { type Evidence, type Findings, type Violation, elapsedMs, violation } from './evidence.ts';
import { type JobHistory, runsOf } from './history.ts';

const startedIn = (history: JobHistory): boolean =>
  [...history.assignments.values()].some((events) => runsOf(events).length > 0);

const checkJob = (history: JobHistory, evidence: Evidence): readonly Violation[] => {
  const { created, events, ends } = history;
  const [first] = events;
  if (first === undefined) return [];
  if (created === undefined)
    return [violation(1, first, `expected JobCreated of job ${history.jobId}, got none`)];
  if (ends.length > 0) return [];
  if (evidence.settled) return [violation(1, created, 'expected the job to end, got no end')];
  const { limits, notBefore } = created.data;
  const { occurredAt } = created;
  const waitMs =
    limits.queueTimeoutMs + Math.max(0, notBefore === null ? 0 : elapsedMs(occurredAt, notBefore));
  const runMs = limits.maxAttempts * (limits.runTimeoutMs + limits.killGraceMs + evidence.leaseMs);
  const dueMs = startedIn(history) ? waitMs + runMs : waitMs;
  const openMs = elapsedMs(occurredAt, evidence.now);
  if (openMs <= dueMs + evidence.slackMs) return [];
  return [
    violation(
      1,
      created,
      `expected the job to end within ${dueMs} ms, got one that is open for ${openMs} ms`,
    ),
  ];
};

/** Invariant 1: each job that is in the log was created there, and ends, or is within its time limits. */
export const checkEnds = (histories: readonly JobHistory[], evidence: Evidence): Findings => ({
  checked: histories.length,
  violations: histories.flatMap((each) => checkJob(each, evidence)),
});

/** An end that the platform decides by itself: after a cancel request it must be CANCELED. */
const isOurs = (end: Event<'JobStatusChanged'>): boolean =>
  ['agent-lost', 'queue-timeout', 'run-timeout'].includes(end.data.reason.code) &&
  end.actor.type === 'service';

const checkCancel = (history: JobHistory, evidence: Evidence): readonly Violation[] => {
  const { cancelRequest: request, ends, events } = history;
  if (request === undefined) return [];
  const again = events.filter(
    (event) => event.type === 'JobAssigned' && event.data.attempt > 1 && event.position > request.position,
  );
  const [end] = ends;
  const found = again.map((event) =>
    violation(6, event, 'expected no further attempt after a cancel request, got one'),
  );
  if (end === undefined) {
    return evidence.settled
      ? [...found, violation(6, request, 'expected an end after the cancel request, got none')]
      : found;
  }
  // The platform may be deciding in the moment in which the request is recorded, on another stream.
  const late = elapsedMs(request.occurredAt, end.occurredAt) > evidence.leaseMs;
  if (late && isOurs(end) && end.data.job?.status !== 'CANCELED') {
    const got = `${end.data.to} (${end.data.reason.code})`;
    return [
      ...found,
      violation(6, end, `expected CANCELED (process-state-unknown) after the cancel request, got ${got}`),
    ];
  }
  return found;
};

/** Invariant 6: a cancel request is followed by CANCELED, or by an end that the agent reported or that came first. */
export const checkCancels = (histories: readonly JobHistory[], evidence: Evidence): Findings => ({
  checked: histories.filter((each) => each.cancelRequest !== undefined).length,
  violations: histories.flatMap((each) => checkCancel(each, evidence)),
});
