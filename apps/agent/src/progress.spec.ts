import { describe, expect, it } from '@jest/globals';
import { ReportStatus } from '@signalbox/contracts';
import type { PlannedStep } from './document.ts';
import {
  advance,
  agentFailed,
  atStart,
  endOfStop,
  interruptedBefore,
  rejected,
  succeeded,
  type StepOutcome,
} from './progress.ts';

const step: PlannedStep = {
  name: 'build',
  run: { kind: 'shell', command: 'make' },
  environment: {},
  workingDirectory: null,
  timeoutMs: 2000,
  ignoreFailure: false,
  mayRerun: false,
};
const lenient = { ...step, ignoreFailure: true };

const stopped = (cause: 'canceled' | 'timed-out' | 'interrupted', gone: boolean): StepOutcome => ({
  kind: 'stopped',
  cause,
  signal: 'SIGTERM',
  gone,
});

describe('how an attempt goes on after a step', () => {
  it('goes on after success, and ends with exit code 0', () => {
    const progress = advance(advance(atStart, step, { kind: 'exited', exitCode: 0 }), step, {
      kind: 'exited',
      exitCode: 0,
    });
    expect(progress).toEqual({ executedSteps: 2, end: null });
    expect(succeeded([step, step], progress)).toMatchObject({
      status: 'SUCCEEDED',
      reason: { code: 'completed', message: '2 steps completed' },
      exitCode: 0,
      executedSteps: 2,
      failedStep: null,
    });
  });

  it.each<[StepOutcome, object]>([
    [
      { kind: 'exited', exitCode: 3 },
      { status: 'FAILED', exitCode: 3, signal: null, reason: { code: 'step-failed' } },
    ],
    [
      { kind: 'killed', signal: 'SIGSEGV' },
      { status: 'FAILED', exitCode: null, signal: 'SIGSEGV', reason: { code: 'step-failed' } },
    ],
    [
      { kind: 'not-started', message: 'not found' },
      { status: 'FAILED', exitCode: null, executedSteps: 0, reason: { code: 'start-failed' } },
    ],
    [
      { kind: 'step-timed-out', signal: 'SIGKILL', gone: true },
      { status: 'TIMED_OUT', signal: 'SIGKILL', reason: { code: 'run-timeout' } },
    ],
    [
      { kind: 'step-timed-out', signal: null, gone: false },
      { status: 'FAILED', reason: { code: 'process-state-unknown' } },
    ],
    [stopped('timed-out', true), { status: 'TIMED_OUT', exitCode: null, reason: { code: 'run-timeout' } }],
    [stopped('interrupted', true), { status: 'FAILED', reason: { code: 'interrupted' } }],
  ])('ends at %j', (outcome, end) => {
    expect(advance(atStart, step, outcome).end).toMatchObject({ failedStep: 'build', ...end });
  });

  it('says canceled only when the processes are gone', () => {
    expect(advance(atStart, step, stopped('canceled', true)).end).toMatchObject({
      status: 'CANCELED',
      failedStep: null,
      reason: { code: 'cancel-requested' },
    });
    expect(advance(atStart, step, stopped('canceled', false)).end).toMatchObject({
      status: 'FAILED',
      reason: { code: 'process-state-unknown' },
    });
  });

  it('goes on after a failure that the step ignores, but not when stopped or when processes are left', () => {
    const ignored: StepOutcome[] = [
      { kind: 'exited', exitCode: 1 },
      { kind: 'killed', signal: 'SIGKILL' },
      { kind: 'not-started', message: 'x' },
      { kind: 'step-timed-out', signal: 'SIGTERM', gone: true },
    ];
    for (const outcome of ignored) expect(advance(atStart, lenient, outcome).end).toBeNull();
    for (const outcome of [
      stopped('canceled', true),
      { kind: 'step-timed-out', signal: null, gone: false } as const,
    ]) {
      expect(advance(atStart, lenient, outcome).end).not.toBeNull();
    }
  });

  it('makes ends that the server takes', () => {
    const ends = [
      advance(atStart, { ...step, name: 'n'.repeat(128) }, { kind: 'not-started', message: 'x'.repeat(5000) })
        .end,
      endOfStop({ executedSteps: 2, end: null }, 'timed-out'),
      rejected('y'.repeat(5000)),
      agentFailed('disk full', true, 2),
      agentFailed('disk full', false, 2),
      interruptedBefore(true),
    ];
    for (const end of ends) expect(() => ReportStatus.parse(end)).not.toThrow();
  });
});
