import { describe, expect, it } from '@jest/globals';
import {
  type DataOf,
  type EndStatus,
  type Fact,
  type Reason,
  type Result,
  assignmentId,
  endStatuses,
} from '@signalbox/contracts';
import { foldFacts, given } from '../testing/scenario.ts';
import { attemptOf } from './assignment.ts';
import { type AssignmentCommand, assignment, countsOfOne } from './decide.ts';

const name = { jobId: '0d3f6a52-6b0e-5f0c-9c39-8f7b0c1d2e3f', targetId: 'pi-1' };
const word = { ...name, agentId: 'agent-1', attempt: 1 };
const one = { ...name, targets: 1 };
const lost = { ...one, attempt: 1, cancelRequested: false };
const result: Result = {
  exitCode: 1,
  signal: null,
  executedSteps: 1,
  failedStep: 'a',
  outputBytes: 12,
  outputHash: 'c'.repeat(64),
};

const assignedData = (attempt = 1, more: Partial<DataOf<'JobAssigned'>> = {}): DataOf<'JobAssigned'> => ({
  ...name,
  agentId: null,
  attempt,
  maxAttempts: 2,
  runTimeoutMs: 60_000,
  killGraceMs: 1_000,
  lostAfterMs: 5_000,
  targets: 1,
  documentHash: 'a'.repeat(64),
  ...more,
});
const assigned = (attempt = 1, more: Partial<DataOf<'JobAssigned'>> = {}): Fact => ({
  type: 'JobAssigned',
  data: assignedData(attempt, more),
});
const assign = (attempt = 1, more: Partial<DataOf<'JobAssigned'>> = {}): AssignmentCommand => ({
  type: 'Assign',
  ...assignedData(attempt, more),
});

const ref = (attempt = 1, agentId: string | null = 'agent-1') => ({
  id: assignmentId(name.jobId, name.targetId),
  targetId: name.targetId,
  agentId,
  attempt,
});
const base = { jobId: name.jobId, assignment: ref(), result: null, attemptEnd: null, job: null };
const changed = (
  data: Omit<DataOf<'JobStatusChanged'>, keyof typeof base> & Partial<DataOf<'JobStatusChanged'>>,
): Fact => ({
  type: 'JobStatusChanged',
  data: { ...base, ...data },
});
const jobEnd = (status: EndStatus) => ({ job: { status, counts: countsOfOne(status) } });
const claimed = (attempt = 1, agentId = 'agent-1'): Fact =>
  changed({
    from: 'SCHEDULED',
    to: 'IN_PROGRESS',
    reason: { code: 'claimed', message: 'the agent took the attempt' },
    assignment: ref(attempt, agentId),
  });
const failed: Reason = { code: 'step-failed', message: 'step a ended with 1' };
const again = (reason = failed, attempt = 1, left: Result | null = null): Fact =>
  changed({
    from: 'IN_PROGRESS',
    to: 'QUEUED',
    reason,
    assignment: ref(attempt),
    attemptEnd: { status: 'FAILED', reason, result: left },
  });
const ended = (status: EndStatus, more: Partial<DataOf<'JobStatusChanged'>> = {}): Fact =>
  changed({ from: 'IN_PROGRESS', to: status, reason: failed, ...jobEnd(status), ...more });
const leaseExpired: Fact = { type: 'LeaseExpired', data: word };
const leaseResumed: Fact = { type: 'LeaseResumed', data: word };
const report = (status: EndStatus, more: Partial<typeof word> = {}): AssignmentCommand => ({
  type: 'ReportEnd',
  ...word,
  status,
  reason: failed,
  result,
  ...more,
});
const everywhere: readonly (readonly [string, readonly Fact[]])[] = [
  ['QUEUED', []],
  ['SCHEDULED', [assigned()]],
  ['IN_PROGRESS', [assigned(), claimed()]],
  ['QUEUED again', [assigned(), claimed(), again()]],
  ...endStatuses.map((status) => [status, [assigned(), claimed(), ended(status)]] as const),
];

describe('assigning', () => {
  it('starts the first attempt, and the next after one that ended', () => {
    given(assignment).when(assign()).then(assigned());
    given(assignment, assigned(), claimed(), again()).when(assign(2)).then(assigned(2));
  });

  it('repeats nothing: neither an attempt that is open nor one that ended', () => {
    for (const [status, facts] of everywhere) {
      if (status !== 'QUEUED')
        given(assignment, ...facts)
          .when(assign())
          .thenNothing();
    }
  });

  it('refuses to leave out an attempt or to go beyond the last', () => {
    given(assignment).when(assign(2)).thenRefused('conflict', 'expected attempt 1 of at most 2, got 2');
    const exhausted = [assigned(1), claimed(), again(), assigned(2), claimed(2), again(failed, 2)];
    given(assignment, ...exhausted)
      .when(assign(3))
      .thenRefused('conflict', 'expected attempt 3 of at most 2, got 3');
  });
});

describe('claiming', () => {
  const claim = { type: 'Claim', ...word } as const;

  it('takes a scheduled attempt, once', () => {
    given(assignment, assigned()).when(claim).then(claimed());
    given(assignment, assigned(1, { agentId: 'agent-1' }))
      .when(claim)
      .then(claimed());
    given(assignment, assigned(), claimed()).when(claim).thenNothing();
  });

  it('is refused when another agent has the attempt, or is meant to have it', () => {
    given(assignment, assigned(), claimed(1, 'agent-2'))
      .when(claim)
      .thenRefused('not-claimable', 'another agent has claimed');
    given(assignment, assigned(1, { agentId: 'agent-2' }))
      .when(claim)
      .thenRefused('not-claimable', 'got another');
  });

  it('is refused for an attempt that is not open', () => {
    given(assignment).when(claim).thenRefused('attempt-ended', 'the log is at QUEUED, attempt 0');
    given(assignment, assigned(), claimed(), again())
      .when(claim)
      .thenRefused('attempt-ended', 'QUEUED, attempt 1');
    given(assignment, assigned(), claimed(), again(), assigned(2))
      .when(claim)
      .thenRefused('attempt-ended', 'got attempt 1');
    given(assignment, assigned())
      .when({ ...claim, attempt: 2 })
      .thenRefused('attempt-ended', 'got attempt 2');
    for (const status of endStatuses) {
      given(assignment, assigned(), claimed(), ended(status))
        .when(claim)
        .thenRefused('attempt-ended', status);
    }
  });
});

describe('reporting an end', () => {
  it.each(['SUCCEEDED', 'CANCELED', 'REJECTED'] as const)(
    '%s ends the assignment and its job, whatever attempts are left',
    (status) => {
      given(assignment, assigned(), claimed()).when(report(status)).then(ended(status, { result }));
    },
  );

  it.each(['FAILED', 'TIMED_OUT'] as const)(
    '%s is followed by another attempt while there are any',
    (status) => {
      const attemptEnd = { status, reason: failed, result };
      given(assignment, assigned(), claimed())
        .when(report(status))
        .then(changed({ from: 'IN_PROGRESS', to: 'QUEUED', reason: failed, attemptEnd }));
      given(assignment, assigned(1, { maxAttempts: 1 }), claimed())
        .when(report(status))
        .then(ended(status, { result }));
    },
  );

  it('does not end a job of several targets, or of a number not known yet', () => {
    for (const targets of [2, null]) {
      given(assignment, assigned(1, { targets }), claimed())
        .when(report('SUCCEEDED'))
        .then(ended('SUCCEEDED', { result, job: null }));
    }
  });

  it('counts after the lease has expired', () => {
    given(assignment, assigned(), claimed(), leaseExpired)
      .when(report('SUCCEEDED'))
      .then(ended('SUCCEEDED', { result }));
  });

  it('changes nothing when it is repeated', () => {
    given(assignment, assigned(), claimed(), ended('SUCCEEDED', { result }))
      .when(report('SUCCEEDED'))
      .thenNothing();
    given(assignment, assigned(), claimed(), again(failed, 1, result))
      .when(report('FAILED'))
      .thenNothing();
  });

  it('changes nothing when it is repeated after the next attempt was assigned, claimed or has ended', () => {
    const first = [assigned(), claimed(), again(failed, 1, result)];
    const later = [assigned(2), claimed(2), ended('SUCCEEDED', { assignment: ref(2) })];
    for (let count = 1; count <= later.length; count += 1) {
      given(assignment, ...first, ...later.slice(0, count))
        .when(report('FAILED'))
        .thenNothing();
    }
  });

  it('is no repeat of an end that was decided without the agent', () => {
    const lost = { code: 'agent-lost', message: 'not heard of' } as const;
    given(assignment, assigned(), claimed(), again(lost))
      .when(report('FAILED'))
      .thenRefused('attempt-ended', 'got attempt 1');
  });

  it('is no repeat of the timeout that was decided a moment before: what it brings has not been taken', () => {
    given(assignment, assigned(), claimed(), ended('TIMED_OUT', { reason: failed, result: null }))
      .when(report('TIMED_OUT'))
      .thenRefused('attempt-ended', 'TIMED_OUT');
  });

  it('is refused from an old attempt, another agent, or with another status than before', () => {
    const second = [assigned(), claimed(), again(), assigned(2), claimed(2)];
    given(assignment, ...second)
      .when(report('SUCCEEDED'))
      .thenRefused('attempt-ended', 'got attempt 1');
    given(assignment, assigned(), claimed())
      .when(report('SUCCEEDED', { agentId: 'agent-2' }))
      .thenRefused('attempt-ended', 'stop the work and drop it');
    given(assignment, assigned(), claimed(), ended('FAILED'))
      .when(report('SUCCEEDED'))
      .thenRefused('attempt-ended', 'FAILED');
    given(assignment, assigned()).when(report('SUCCEEDED')).thenRefused('attempt-ended', 'SCHEDULED');
  });
});

describe('the lease', () => {
  const expire = { type: 'ExpireLease', ...word } as const;
  const resume = { type: 'ResumeLease', ...word } as const;

  it('expires once and is resumed once, in turn', () => {
    given(assignment, assigned(), claimed()).when(expire).then(leaseExpired);
    given(assignment, assigned(), claimed(), leaseExpired).when(expire).thenNothing();
    given(assignment, assigned(), claimed(), leaseExpired).when(resume).then(leaseResumed);
    given(assignment, assigned(), claimed()).when(resume).thenNothing();
    given(assignment, assigned(), claimed(), leaseExpired, leaseResumed).when(expire).then(leaseExpired);
  });

  it('that expired is nothing to attempts that are not open, or another agent’s', () => {
    given(assignment, assigned()).when(expire).thenNothing();
    given(assignment, assigned(), claimed(), again()).when(expire).thenNothing();
    given(assignment, assigned(), claimed())
      .when({ ...expire, agentId: 'agent-2' })
      .thenNothing();
    given(assignment, assigned(), claimed())
      .when({ ...expire, attempt: 2 })
      .thenNothing();
  });

  it('is not resumed for an attempt that the log has ended', () => {
    given(assignment, assigned(), claimed(), leaseExpired, again())
      .when(resume)
      .thenRefused('attempt-ended', 'got attempt 1');
    given(assignment, assigned(), claimed(), leaseExpired)
      .when({ ...resume, agentId: 'agent-2' })
      .thenRefused('attempt-ended', 'got attempt 1');
  });
});

describe('an end by the dispatcher', () => {
  const before = [
    ['Cancel', 'CANCELED', 'cancel-requested', 'canceled before it started'],
    ['QueueTimeout', 'TIMED_OUT', 'queue-timeout', 'it did not start within the queue timeout'],
    ['AgentRevoked', 'REJECTED', 'agent-revoked', 'the device’s credential was revoked'],
  ] as const;

  it.each(before)('%s ends what has not started', (type, status, code, message) => {
    const end = (from: 'QUEUED' | 'SCHEDULED', agentId: string | null) =>
      changed({
        from,
        to: status,
        reason: { code, message },
        assignment: ref(1, agentId),
        ...jobEnd(status),
      });
    given(assignment)
      .when({ type, ...one })
      .then(end('QUEUED', null));
    given(assignment, assigned())
      .when({ type, ...one })
      .then(end('SCHEDULED', null));
    given(assignment, assigned(1, { agentId: 'agent-1' }))
      .when({ type, ...one })
      .then(end('SCHEDULED', 'agent-1'));
    given(assignment, assigned(), claimed(), again())
      .when({ type, ...one })
      .then(end('QUEUED', null));
  });

  it.each(before.map(([type]) => type))('%s changes nothing that has ended', (type) => {
    for (const status of endStatuses) {
      given(assignment, assigned(), claimed(), ended(status))
        .when({ type, ...one })
        .thenNothing();
    }
  });

  it('by a queue timeout is meant for one wait, and ends no later one', () => {
    const first = { type: 'QueueTimeout', ...one, wait: { attempts: 1, isScheduled: true } } as const;
    given(assignment, assigned(), claimed(), again()).when(first).thenNothing();
    given(assignment, assigned(), claimed(), again(), assigned(2)).when(first).thenNothing();
    const second = { ...first, wait: { attempts: 1, isScheduled: false } };
    given(assignment, assigned()).when(second).thenNothing();
  });

  it('leaves what runs to its agent, but for a revoked device', () => {
    given(assignment, assigned(), claimed())
      .when({ type: 'Cancel', ...one })
      .thenNothing();
    given(assignment, assigned(), claimed())
      .when({ type: 'QueueTimeout', ...one })
      .thenNothing();
    const reason = { code: 'agent-revoked', message: 'the device’s credential was revoked' } as const;
    given(assignment, assigned(), claimed())
      .when({ type: 'AgentRevoked', ...one })
      .then(ended('FAILED', { reason }));
  });

  it('does not announce the job’s end where there are more targets', () => {
    for (const targets of [2, null]) {
      given(assignment)
        .when({ type: 'Cancel', ...name, targets })
        .then(
          changed({
            from: 'QUEUED',
            to: 'CANCELED',
            reason: { code: 'cancel-requested', message: 'canceled before it started' },
            assignment: ref(1, null),
          }),
        );
    }
  });
});

describe('an attempt that nobody answers for', () => {
  const running = [assigned(1, { maxAttempts: 1 }), claimed()];

  it('ends at the run timeout, whether the lease runs or not', () => {
    const reason = {
      code: 'run-timeout',
      message: 'the run timeout passed and the agent did not report',
    } as const;
    given(assignment, ...running)
      .when({ type: 'RunTimeout', ...lost })
      .then(ended('TIMED_OUT', { reason }));
    given(assignment, ...running, leaseExpired)
      .when({ type: 'RunTimeout', ...lost })
      .then(ended('TIMED_OUT', { reason }));
    given(assignment, assigned(), claimed())
      .when({ type: 'RunTimeout', ...lost })
      .then(
        changed({
          from: 'IN_PROGRESS',
          to: 'QUEUED',
          reason,
          attemptEnd: { status: 'TIMED_OUT', reason, result: null },
        }),
      );
  });

  it('ends as lost only while the log says that the lease is expired', () => {
    const reason = { code: 'agent-lost', message: 'the agent was not heard of for too long' } as const;
    given(assignment, ...running, leaseExpired)
      .when({ type: 'AgentLost', ...lost })
      .then(ended('FAILED', { reason }));
    given(assignment, ...running)
      .when({ type: 'AgentLost', ...lost })
      .thenNothing();
    given(assignment, ...running, leaseExpired, leaseResumed)
      .when({ type: 'AgentLost', ...lost })
      .thenNothing();
    given(assignment, assigned(), claimed(), leaseExpired)
      .when({ type: 'AgentLost', ...lost })
      .then(again(reason));
  });

  it.each(['RunTimeout', 'AgentLost'] as const)(
    '%s ends CANCELED without another attempt when a cancel was not confirmed',
    (type) => {
      const message = 'cancel was requested and not confirmed: whether the process still runs is not known';
      given(assignment, assigned(), claimed(), leaseExpired)
        .when({ type, ...lost, cancelRequested: true })
        .then(ended('CANCELED', { reason: { code: 'process-state-unknown', message } }));
    },
  );

  it.each(['RunTimeout', 'AgentLost'] as const)(
    '%s of another attempt, or of one that does not run, changes nothing',
    (type) => {
      given(assignment, ...running, leaseExpired)
        .when({ type, ...lost, attempt: 2 })
        .thenNothing();
      for (const [status, facts] of everywhere) {
        if (status !== 'IN_PROGRESS')
          given(assignment, ...facts)
            .when({ type, ...lost })
            .thenNothing();
      }
    },
  );
});

it('knows its newest attempt in every state', () => {
  expect(everywhere.map(([, facts]) => attemptOf(foldFacts(assignment, facts)))).toEqual([
    0, 1, 1, 1, 1, 1, 1, 1, 1,
  ]);
});

it('ignores facts of other aggregates', () => {
  const state = foldFacts(assignment, [assigned()]);
  expect(
    assignment.evolve(state, { type: 'JobCancelRequested', data: { jobId: name.jobId, reason: null } }),
  ).toBe(state);
});
