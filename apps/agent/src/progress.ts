import type { Plan, PlannedStep } from './document.ts';
import { wireLimits, type AttemptEnd } from './wire.ts';

/** Why an attempt is stopped from outside. `dropped`: the log has ended it, so nothing is reported. */
export type StopCause = 'canceled' | 'timed-out' | 'interrupted' | 'dropped';

/** How one step ended. `gone` is false when processes of it could not be confirmed to have ended. */
export type StepOutcome =
  | { readonly kind: 'exited'; readonly exitCode: number }
  | { readonly kind: 'killed'; readonly signal: string }
  | { readonly kind: 'not-started'; readonly message: string }
  | { readonly kind: 'step-timed-out'; readonly signal: string | null; readonly gone: boolean }
  | {
      readonly kind: 'stopped';
      readonly cause: StopCause;
      readonly signal: string | null;
      readonly gone: boolean;
    };

/** Steps that were started so far, and the end once it is decided: then no further step runs. */
export interface Progress {
  readonly executedSteps: number;
  readonly end: AttemptEnd | null;
}

export const atStart: Progress = { executedSteps: 0, end: null };

/** A step of the plan, and how many were started before it. */
export interface StepPlace {
  readonly index: number;
  readonly executedSteps: number;
}

/** The agent had to go while the step ran, and all of it is gone. */
export const isInterrupted = (outcome: StepOutcome): boolean =>
  outcome.kind === 'stopped' && outcome.cause === 'interrupted' && outcome.gone;

type Reason = AttemptEnd['reason'];
type Status = AttemptEnd['status'];

const reasonOf = (code: Reason['code'], message: string): Reason => ({
  code,
  message:
    message.length > wireLimits.reasonMessage
      ? `${message.slice(0, wireLimits.reasonMessage - 1)}…`
      : message,
});

const stopEnd = (cause: StopCause): { readonly status: Status; readonly reason: Reason } => {
  switch (cause) {
    case 'canceled':
      return {
        status: 'CANCELED',
        reason: reasonOf('cancel-requested', 'stopped as asked; its processes are gone'),
      };
    case 'timed-out':
      return {
        status: 'TIMED_OUT',
        reason: reasonOf(
          'run-timeout',
          'expected an end within the run timeout; stopped, its processes are gone',
        ),
      };
    case 'interrupted':
    case 'dropped':
      return {
        status: 'FAILED',
        reason: reasonOf('interrupted', 'the agent was stopped before the attempt had ended'),
      };
    default:
      return cause satisfies never;
  }
};

const stateUnknown: Pick<AttemptEnd, 'status' | 'reason'> = {
  status: 'FAILED',
  reason: reasonOf(
    'process-state-unknown',
    'expected all processes of the attempt to be gone after KILL, got at least one that still runs',
  ),
};

/** The end of an attempt that was stopped between two steps, or before the first. */
export const endOfStop = (progress: Progress, cause: StopCause): AttemptEnd => ({
  ...stopEnd(cause),
  exitCode: null,
  signal: null,
  executedSteps: progress.executedSteps,
  failedStep: null,
});

const failed = (
  step: PlannedStep,
  executedSteps: number,
  how: Partial<AttemptEnd>,
  message: string,
): AttemptEnd => ({
  status: 'FAILED',
  reason: reasonOf('step-failed', message),
  exitCode: null,
  signal: null,
  executedSteps,
  failedStep: step.name,
  ...how,
});

const endOfStep = (step: PlannedStep, outcome: StepOutcome, executedSteps: number): AttemptEnd | null => {
  const named = `step "${step.name}"`;
  switch (outcome.kind) {
    case 'exited':
      if (outcome.exitCode === 0) return null;
      return failed(
        step,
        executedSteps,
        { exitCode: outcome.exitCode },
        `${named}: expected exit code 0, got ${outcome.exitCode}`,
      );
    case 'killed':
      return failed(
        step,
        executedSteps,
        { signal: outcome.signal },
        `${named}: expected exit code 0, got signal ${outcome.signal}`,
      );
    case 'not-started':
      return failed(
        step,
        executedSteps,
        { reason: reasonOf('start-failed', `${named}: ${outcome.message}`) },
        '',
      );
    case 'step-timed-out': {
      const how = outcome.gone
        ? {
            status: 'TIMED_OUT' as const,
            reason: reasonOf('run-timeout', `${named}: expected an end within ${step.timeoutMs} ms`),
          }
        : stateUnknown;
      return failed(step, executedSteps, { ...how, signal: outcome.signal }, '');
    }
    case 'stopped': {
      const how = outcome.gone ? stopEnd(outcome.cause) : stateUnknown;
      const failedStep = how.status === 'CANCELED' ? null : step.name;
      return { ...how, exitCode: null, signal: outcome.signal, executedSteps, failedStep };
    }
    default:
      return outcome satisfies never;
  }
};

/** One step further. A failure that the step ignores lets the next one run; a stop, or processes left behind, never do. */
export const advance = (progress: Progress, step: PlannedStep, outcome: StepOutcome): Progress => {
  const executedSteps = progress.executedSteps + (outcome.kind === 'not-started' ? 0 : 1);
  const end = endOfStep(step, outcome, executedSteps);
  const isIgnored =
    step.ignoreFailure && outcome.kind !== 'stopped' && (outcome.kind !== 'step-timed-out' || outcome.gone);
  return { executedSteps, end: isIgnored ? null : end };
};

/** The end of an attempt whose steps all ran. */
export const succeeded = (plan: Plan, progress: Progress): AttemptEnd => ({
  status: 'SUCCEEDED',
  reason: reasonOf('completed', `${plan.length} ${plan.length === 1 ? 'step' : 'steps'} completed`),
  exitCode: 0,
  signal: null,
  executedSteps: progress.executedSteps,
  failedStep: null,
});

/** The end of an attempt of which no step that we know of ran. */
const withoutSteps = (status: Status, reason: Reason): AttemptEnd => ({
  status,
  reason,
  exitCode: null,
  signal: null,
  executedSteps: 0,
  failedStep: null,
});

/** The end of an attempt whose document this agent does not run. */
export const rejected = (message: string): AttemptEnd =>
  withoutSteps('REJECTED', reasonOf('rejected-by-agent', message));

/**
 * The end of an attempt that this machine could not carry out, such as with a full disk.
 * @param executedSteps steps that were started before that
 */
export const agentFailed = (message: string, isGone: boolean, executedSteps: number): AttemptEnd => {
  const reason = reasonOf('start-failed', `expected the agent to work, got ${message}`);
  const end = withoutSteps('FAILED', isGone ? reason : stateUnknown.reason);
  return { ...end, executedSteps };
};

/** What an earlier run of the agent left behind of an attempt that is still open. */
export interface Leftover extends StepPlace {
  /** Null between two steps. */
  readonly running: { readonly mayRerun: boolean } | null;
  /** Its processes are confirmed to be gone. */
  readonly isGone: boolean;
  readonly end: AttemptEnd | null;
}

/** The end of an attempt that began in an earlier life of the agent of which nothing is known any more. */
export const interruptedBefore = (isGone: boolean): AttemptEnd => {
  const { status, reason } = isGone ? stopEnd('interrupted') : stateUnknown;
  return withoutSteps(status, reason);
};

/**
 * How an attempt goes on after a crash or a restart: not at all where it had ended, or where a step ran that must not run
 * twice; else at the next step, or again at the one that ran. A finished step never runs again.
 */
export const goOn = (
  plan: Plan,
  left: Leftover,
): { readonly end: AttemptEnd } | { readonly end: null; readonly from: StepPlace } => {
  const { index, executedSteps, running, isGone } = left;
  if (left.end !== null) return { end: left.end };
  if (isGone && (running === null || running.mayRerun)) return { end: null, from: { index, executedSteps } };
  const step = plan[index];
  const how = isGone
    ? {
        status: 'FAILED' as const,
        reason: reasonOf(
          'interrupted',
          `the agent or its machine went down while step "${step?.name ?? ''}" ran, which does not say onInterrupt: rerun`,
        ),
      }
    : stateUnknown;
  const started = executedSteps + (running === null ? 0 : 1);
  return {
    end: { ...how, exitCode: null, signal: null, executedSteps: started, failedStep: step?.name ?? null },
  };
};

/** The end of an attempt that was to be cancelled and of which nothing runs here. */
export const canceledUnseen = (isGone: boolean): AttemptEnd => {
  const { status, reason } = isGone ? stopEnd('canceled') : stateUnknown;
  return withoutSteps(status, reason);
};
