/**
 * Cancel, timeout, drain and crash of the bundled agent with real process trees. A double stands for the device
 * gateway only (testing/gateway-double.ts).
 */
import { describe, expect, it } from '@jest/globals';
import { DomainError } from '@signalbox/contracts';
import { eventually } from '@signalbox/testkit';
import { processesOf, useStage } from './testing/stage.ts';

const stage = useStage();

/** A tree of six: one ignores TERM, one leads a session of its own, one a process group of its own. */
const tree = [
  'set -m',
  'sleep 600 &',
  'bash -c \'trap "" TERM; echo deaf; while :; do sleep 1; done\' &',
  'setsid sleep 601 &',
  'echo up',
  'wait',
].join('\n');

describe('cancel', () => {
  it('reaches every process of the attempt within the grace and a second', async () => {
    stage().start();
    const held = stage().gateway.shell(tree, { killGraceMs: 1_000 });
    await stage().shows(held, /up/);
    await stage().shows(held, /deaf/);
    await eventually(() => processesOf(held).length >= 5);
    const startMs = performance.now();
    stage().gateway.cancel(held);
    const end = await stage().ended(held);
    expect(performance.now() - startMs).toBeLessThan(2_500);
    expect(end).toMatchObject({ status: 'CANCELED', exitCode: null, reason: { code: 'cancel-requested' } });
    expect(processesOf(held)).toEqual([]);
    expect(end.outputHash).toBe(held.stored.hash);
  });

  it('lets a program that handles TERM say goodbye', async () => {
    stage().start();
    const held = stage().gateway.shell("trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.1; done", {
      killGraceMs: 5_000,
    });
    await stage().shows(held, 'up\n');
    stage().gateway.cancel(held);
    expect((await stage().ended(held)).status).toBe('CANCELED');
    expect(held.text()).toMatch(/bye\n$/);
  });

  it('arrives by the lease when polls do not get through', async () => {
    stage().gateway.intercept = (path) => {
      if (path === '/poll' && stage().gateway.attempts[0]?.state === 'claimed')
        throw new Error('poll refused');
    };
    stage().start();
    const held = stage().gateway.shell('sleep 600', { leaseMs: 900, killGraceMs: 200 });
    await eventually(() => held.renewals > 0);
    stage().gateway.cancel(held);
    expect((await stage().ended(held)).status).toBe('CANCELED');
    stage().gateway.violations.length = 0;
  });
});

describe('an attempt that the server believes to run here', () => {
  it('is told as canceled when it is to be stopped and nothing of it runs', async () => {
    const held = stage().gateway.shell('echo never');
    held.state = 'claimed';
    stage().gateway.cancel(held);
    stage().start();
    expect(await stage().ended(held)).toMatchObject({ status: 'CANCELED', executedSteps: 0 });
    expect(held.text()).toBe('');
  });

  it('is not run a second time when a replica that is behind offers it again', async () => {
    stage().start();
    const held = stage().gateway.shell('echo once');
    await stage().ended(held);
    const again = stage().gateway.requests.length;
    held.state = 'claimed';
    stage().gateway.cancel(held);
    held.isCanceled = false;
    await eventually(() =>
      stage()
        .gateway.requests.slice(again)
        .some((path) => path.endsWith('/status')),
    );
    await eventually(() => held.state === 'ended');
    expect(held.text()).toBe('$ echo once\nonce\n');
  });
});

describe('the log has ended the attempt', () => {
  it.each(['poll', 'lease'])('stops it and reports nothing, told by %s', async (way) => {
    stage().gateway.intercept = (path) => {
      if (path === '/poll' && way === 'lease' && stage().gateway.attempts[0]?.state !== 'waiting')
        throw new Error('no');
    };
    const agent = stage().start();
    const held = stage().gateway.shell('sleep 600', { leaseMs: 900, killGraceMs: 200 });
    await eventually(() => processesOf(held).length > 0);
    stage().gateway.endElsewhere(held);
    await eventually(() => agent.log.includes('attempt settled'));
    expect(processesOf(held)).toEqual([]);
    expect(stage().gateway.requests.some((path) => path.endsWith('/status'))).toBe(false);
    expect(stage().hasState('attempt.journal')).toBe(false);
    stage().gateway.violations.length = 0;
  });
});

describe('a machine that is revoked', () => {
  it('stops what it runs', async () => {
    const agent = stage().start();
    const held = stage().gateway.shell('sleep 600', { killGraceMs: 200 });
    await eventually(() => processesOf(held).length > 0);
    stage().gateway.intercept = () => {
      throw new DomainError('unauthenticated', 'expected a known credential');
    };
    await eventually(() => agent.log.includes('attempt settled'));
    expect(processesOf(held)).toEqual([]);
  });
});

describe('timeouts', () => {
  it('stops an attempt at its run timeout', async () => {
    stage().start();
    const held = stage().gateway.shell(tree, { runTimeoutMs: 1_500, killGraceMs: 300 });
    const end = await stage().ended(held);
    expect(end).toMatchObject({ status: 'TIMED_OUT', exitCode: null, reason: { code: 'run-timeout' } });
    expect(processesOf(held)).toEqual([]);
  });

  it('stops a step at its own timeout, and goes on where its failure is ignored', async () => {
    stage().start();
    const slow = { type: 'runCommand', input: { command: ['sleep', '600'] }, timeoutSeconds: 1 };
    const after = { name: 'after', type: 'runCommand', input: { command: ['echo', 'went on'] } };
    const ignored = stage().gateway.enqueue({
      document: { steps: [{ ...slow, name: 'slow', ignoreStepFailure: true }, after] },
    });
    expect(await stage().ended(ignored)).toMatchObject({ status: 'SUCCEEDED', executedSteps: 2 });
    expect(ignored.text()).toBe('went on\n');
    const counted = stage().gateway.enqueue({ document: { steps: [{ ...slow, name: 'slow' }, after] } });
    const end = await stage().ended(counted);
    expect(end).toMatchObject({
      status: 'TIMED_OUT',
      signal: 'SIGTERM',
      failedStep: 'slow',
      executedSteps: 1,
    });
  });
});

describe('drain', () => {
  it('lets the running attempt end, takes no other, and exits with 0', async () => {
    const agent = stage().start();
    const held = stage().gateway.shell('echo up; sleep 1; echo done');
    await stage().shows(held, 'up\n');
    agent.signal('SIGTERM');
    await eventually(() => agent.log.includes('draining'));
    const other = stage().gateway.shell('echo other');
    expect((await agent.exited).code).toBe(0);
    expect(held.end).toMatchObject({ status: 'SUCCEEDED' });
    expect(other.state).toBe('waiting');
    expect(stage().hasState('attempt.journal')).toBe(false);
  });

  it.each([
    ['the end of the drain', ['--drain', '300ms'], 1],
    ['a second signal', [], 2],
  ])('interrupts the attempt at %s', async (_, flags, signals) => {
    const agent = stage().start(['--token', stage().gateway.token, ...flags]);
    const held = stage().gateway.shell(tree, { killGraceMs: 300 });
    await stage().shows(held, /deaf/);
    agent.signal('SIGTERM');
    await eventually(() => agent.log.includes('draining'));
    if (signals > 1) agent.signal('SIGINT');
    expect((await agent.exited).code).toBe(0);
    expect(held.end).toMatchObject({ status: 'FAILED', reason: { code: 'interrupted' } });
    expect(processesOf(held)).toEqual([]);
  });

  it('exits although the server is away, and tells it after the next start', async () => {
    const agent = stage().start(['--token', stage().gateway.token, '--drain', '0s']);
    const held = stage().gateway.shell('yes', { killGraceMs: 300 });
    await eventually(() => held.chunks.length > 3);
    await stage().gateway.stop();
    await eventually(() => agent.log.includes('output not taken'));
    agent.signal('SIGTERM');
    expect((await agent.exited).code).toBe(0);
    expect(processesOf(held)).toEqual([]);
    expect(stage().hasState('attempt.journal')).toBe(true);
    await stage().gateway.start();
    stage().start();
    expect(await stage().ended(held)).toMatchObject({ status: 'FAILED', reason: { code: 'interrupted' } });
  });
});

describe('a crash of the agent', () => {
  it('leads to an interrupted attempt, no process left, and no second run', async () => {
    const first = stage().start();
    const held = stage().gateway.shell(tree, { killGraceMs: 300 });
    await stage().shows(held, /deaf/);
    await first.kill();
    expect(processesOf(held).length).toBeGreaterThan(3);
    expect(stage().hasState('attempt.journal')).toBe(true);
    stage().start(['--poll-wait', '1s']);
    expect(await stage().ended(held)).toMatchObject({ status: 'FAILED', reason: { code: 'interrupted' } });
    expect(processesOf(held)).toEqual([]);
    await eventually(() => !stage().hasState('attempt.journal'));
    expect(held.text().match(/^deaf$/gm)).toHaveLength(1);
    const next = stage().gateway.shell('echo well');
    expect((await stage().ended(next)).status).toBe('SUCCEEDED');
  });

  it('drops the interrupted attempt when the log has ended it', async () => {
    const first = stage().start();
    const held = stage().gateway.shell('sleep 600', { killGraceMs: 300 });
    await eventually(() => processesOf(held).length > 0);
    await first.kill();
    stage().gateway.endElsewhere(held);
    stage().start();
    await eventually(() => !stage().hasState('attempt.journal'));
    expect(processesOf(held)).toEqual([]);
    expect(held.end).toBeNull();
  });

  it('runs an attempt whose claim was answered to nobody', async () => {
    const held = stage().gateway.shell('echo once');
    held.state = 'claimed';
    stage().start();
    expect((await stage().ended(held)).status).toBe('SUCCEEDED');
  });
});
