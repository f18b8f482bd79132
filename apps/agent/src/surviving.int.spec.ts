/**
 * Crashes of the bundled agent in the middle of an attempt, with real processes, files and output. A double stands for
 * the device gateway only (testing/gateway-double.ts).
 */
import { appendFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { DomainError } from '@signalbox/contracts';
import { eventually } from '@signalbox/testkit';
import type { HeldAttempt } from './testing/gateway-double.ts';
import { processesOf, useStage } from './testing/stage.ts';

const stage = useStage();

/** Each step notes in a file that it ran, so that a second run would show. */
const note = (name: string) => `echo ${name} >> ${join(stage().stateDir, 'ran')}; echo ${name}`;
const ran = () => readFileSync(join(stage().stateDir, 'ran'), 'utf8').split('\n').slice(0, -1);
const journal = () => join(stage().stateDir, 'attempt.journal');
const wait = 'sleep 600';
/** Waits only when it runs for the first time. */
const waitOnce = () => `[ $(grep -c second ${join(stage().stateDir, 'ran')}) -gt 1 ] || ${wait}`;

const threeSteps = (second: object, command: string = wait) =>
  stage().gateway.steps(
    [
      ['first', note('first')],
      ['second', `${note('second')}; ${command}`, second],
      ['third', note('third')],
    ],
    { killGraceMs: 200 },
  );

const crashInSecond = async (held: HeldAttempt): Promise<void> => {
  const agent = stage().start();
  await stage().shows(held, '\nsecond\n');
  await agent.kill();
};

describe('a crash in the middle of the second of three steps', () => {
  it('fails the attempt with its output, and repeats nothing', async () => {
    const held = threeSteps({});
    await crashInSecond(held);
    expect(processesOf(held).length).toBeGreaterThan(0);
    stage().start(['--poll-wait', '1s']);
    const end = await stage().ended(held);
    expect(end).toMatchObject({
      status: 'FAILED',
      reason: { code: 'interrupted', message: expect.stringContaining('"second"') },
      failedStep: 'second',
      executedSteps: 2,
      outputHash: held.stored.hash,
    });
    expect(processesOf(held)).toEqual([]);
    expect(ran()).toEqual(['first', 'second']);
    await eventually(() => !stage().hasState('attempt.journal'));
  });

  it('runs it again where it says so, then goes on, with one sequence of output', async () => {
    const held = threeSteps({ onInterrupt: 'rerun' }, waitOnce());
    await crashInSecond(held);
    const [left] = processesOf(held);
    stage().start();
    const end = await stage().ended(held);
    expect(end).toMatchObject({ status: 'SUCCEEDED', executedSteps: 3, outputHash: held.stored.hash });
    expect(processesOf(held)).not.toContain(left);
    expect(ran()).toEqual(['first', 'second', 'second', 'third']);
    expect(held.text('stderr')).toContain('step "second" was interrupted and runs again');
  });

  it('drops it when the log has ended it, and kills what still runs', async () => {
    const held = threeSteps({ onInterrupt: 'rerun' });
    await crashInSecond(held);
    stage().gateway.endElsewhere(held);
    stage().start();
    await eventually(() => !stage().hasState('attempt.journal'));
    expect(processesOf(held)).toEqual([]);
    expect(held.end).toBeNull();
    expect(ran()).toEqual(['first', 'second']);
  });

  it('leaves alone what a finished step had started to stay, where the attempt goes on', async () => {
    const stays = 'setsid sleep 601 >/dev/null 2>&1 &';
    const held = stage().gateway.steps(
      [
        ['first', `${stays} ${note('first')}`],
        ['second', `${note('second')}; ${waitOnce()}`, { onInterrupt: 'rerun' }],
      ],
      { killGraceMs: 200 },
    );
    await crashInSecond(held);
    stage().start();
    expect((await stage().ended(held)).status).toBe('SUCCEEDED');
    expect(processesOf(held)).toHaveLength(1);
  });
});

describe('a journal', () => {
  it('with a torn line counts up to that line', async () => {
    const held = threeSteps({ onInterrupt: 'rerun' }, waitOnce());
    await crashInSecond(held);
    appendFileSync(journal(), '1234abcd {"kind":"end","end":{"sta');
    stage().start();
    expect((await stage().ended(held)).status).toBe('SUCCEEDED');
    expect(ran()).toEqual(['first', 'second', 'second', 'third']);
  });

  it('from before the system was started again names no process that could be killed by mistake', async () => {
    const bystander = threeSteps({ onInterrupt: 'rerun' }, waitOnce());
    await crashInSecond(bystander);
    const text = readFileSync(journal(), 'utf8');
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    expect(text).toContain(boot);
    const { lineOf } = await import('./journal-notes.ts');
    appendFileSync(journal(), lineOf({ kind: 'boot', bootId: '00000000-0000-4000-8000-000000000000' }));
    const left = processesOf(bystander);
    const agent = stage().start();
    await stage().ended(bystander);
    expect(agent.log).toContain('"isOtherBoot":true');
    expect(processesOf(bystander)).toEqual(left);
    expect(bystander.text('stderr')).toContain('the machine was started again here');
  });

  it.each([
    ['is lost', () => truncateSync(journal(), 0)],
    ['is damaged', () => writeFileSync(journal(), 'rubbish\n')],
  ])('that %s leads to no second run', async (_, damage) => {
    const held = threeSteps({ onInterrupt: 'rerun' });
    await crashInSecond(held);
    damage();
    stage().start();
    const end = await stage().ended(held);
    expect(end).toMatchObject({ status: 'FAILED', reason: { code: 'interrupted' } });
    expect(ran()).toEqual(['first', 'second']);
    expect(processesOf(held)).toEqual([]);
  });
});

describe('an orderly stop', () => {
  it('in a step that may run again leaves the attempt open, and the next start goes on', async () => {
    const agent = stage().start(['--token', stage().gateway.token, '--drain', '0s']);
    const held = threeSteps({ onInterrupt: 'rerun' }, waitOnce());
    await stage().shows(held, '\nsecond\n');
    agent.signal('SIGTERM');
    expect((await agent.exited).code).toBe(0);
    expect(processesOf(held)).toEqual([]);
    expect(held.end).toBeNull();
    stage().start();
    expect((await stage().ended(held)).status).toBe('SUCCEEDED');
    expect(ran()).toEqual(['first', 'second', 'second', 'third']);
  });
});

describe('output', () => {
  it('that was read and not taken survives a crash, in order and once', async () => {
    let isAway = false;
    stage().gateway.intercept = (path) => {
      if (isAway && !path.endsWith('/renew')) throw new DomainError('unavailable', 'expected to be up');
    };
    const agent = stage().start();
    const held = stage().gateway.steps(
      [
        [
          'only',
          'seq 1 1000; read -t 0.5 < <(sleep 9); seq 1001 60000; printf "half a line"; exec sleep 600',
        ],
      ],
      { killGraceMs: 200 },
    );
    await stage().shows(held, '\n1000\n');
    isAway = true;
    await eventually(() => spooled().endsWith('half a line'), {
      what: 'the output on the disk',
      timeoutMs: 20_000,
    });
    await agent.kill();
    isAway = false;
    stage().start();
    const end = await stage().ended(held, 20_000);
    expect(end).toMatchObject({ reason: { code: 'interrupted' }, outputHash: held.stored.hash });
    const lines = Array.from({ length: 60_000 }, (_, index) => `${index + 1}\n`).join('');
    expect(held.text().slice(held.text().indexOf('\n1\n') + 1)).toBe(`${lines}half a line`);
  });

  it('of which the server has more than the disk kept goes on behind it', async () => {
    const held = threeSteps({ onInterrupt: 'rerun' }, waitOnce());
    await crashInSecond(held);
    for (const path of spoolFiles()) truncateSync(path, 150);
    const before = held.text();
    stage().start();
    expect(await stage().ended(held)).toMatchObject({ status: 'SUCCEEDED', outputHash: held.stored.hash });
    expect(held.text().startsWith(before)).toBe(true);
    expect(held.text()).toMatch(/third\n$/);
  });
});

describe('the end of an attempt', () => {
  it('that the server did not take before a crash is told after it, with all output', async () => {
    stage().gateway.intercept = (path) => {
      if (path.endsWith('/status') && held.chunks.length > 0) throw new DomainError('unavailable', 'no');
    };
    const agent = stage().start();
    const held = stage().gateway.shell('echo one; sleep 0.4; echo two');
    await eventually(() => agent.log.includes('end of attempt not taken'));
    await agent.kill();
    stage().gateway.intercept = () => undefined;
    stage().start();
    expect(await stage().ended(held)).toMatchObject({
      status: 'SUCCEEDED',
      exitCode: 0,
      executedSteps: 1,
      outputHash: held.stored.hash,
    });
    expect(held.text()).toMatch(/\none\ntwo\n$/);
  });
});

describe('an end that the server took just before a crash', () => {
  it('is dropped at once after it: the agent asks once, and leaves alone what the job had started to stay', async () => {
    const agent = stage().start();
    const away = `${stage().stateDir}/away`;
    const held = stage().gateway.shell(
      `setsid sh -c 'touch ${away}; exec sleep 602' >/dev/null 2>&1 & until [ -e ${away} ]; do sleep 0.02; done; echo started`,
    );
    // The answer waits for a next job, and the journal for the answer.
    expect((await stage().ended(held)).status).toBe('SUCCEEDED');
    expect(stage().hasState('attempt.journal')).toBe(true);
    await agent.kill();
    const before = stage().gateway.requests.length;
    const startMs = performance.now();
    stage().start();
    await eventually(() => !stage().hasState('attempt.journal'));
    const next = stage().gateway.shell('echo next');
    expect((await stage().ended(next)).status).toBe('SUCCEEDED');
    expect(performance.now() - startMs).toBeLessThan(8_000);
    const words = stage()
      .gateway.requests.slice(before)
      .map((path) => path.split('/').at(-1));
    expect(words.slice(0, 3)).toEqual(['claim', 'poll', 'status']);
    expect(processesOf(held)).toHaveLength(1);
    expect(held.text()).toMatch(/\nstarted\n$/);
  });
});

describe('a log that was restored to before the attempt', () => {
  it('ends the work of the running agent without a report, and the agent goes on', async () => {
    const agent = stage().start(['--token', stage().gateway.token, '--poll-wait', '1s']);
    const held = stage().gateway.shell('setsid sleep 603 & echo up; sleep 604', { leaseMs: 900 });
    await stage().shows(held, 'up\n');
    stage().gateway.forget();
    await eventually(() => processesOf(held).length === 0);
    await eventually(() => !stage().hasState('attempt.journal'));
    expect(stage().filesOf('output')).toEqual([]);
    expect(held.end).toBeNull();
    expect((await stage().ended(stage().gateway.shell('echo next'))).status).toBe('SUCCEEDED');
    expect(agent.log).not.toContain('"level":"error"');
  });
});

describe('a crash while output is being dropped', () => {
  it('leaves the mark where the loss began, and the output after it in its order', async () => {
    let isAway = false;
    stage().gateway.intercept = (path) => {
      if (isAway && path.endsWith('/output')) throw new DomainError('unavailable', 'expected to be up');
    };
    const agent = stage().start(['--token', stage().gateway.token, '--output-spool', '256KiB']);
    const flood = `${note('second')}; [ $(grep -c second ${join(stage().stateDir, 'ran')}) -gt 1 ] || yes`;
    const held = stage().gateway.steps([['only', flood, { onInterrupt: 'rerun' }]], { killGraceMs: 100 });
    await stage().shows(held, '\nsecond\n');
    isAway = true;
    const mark = '[signalbox-agent] output is dropped from here on';
    await eventually(() => spooled().includes(mark), { what: 'the mark on the disk', timeoutMs: 20_000 });
    await agent.kill();
    isAway = false;
    stage().start();
    expect(await stage().ended(held, 20_000)).toMatchObject({
      status: 'SUCCEEDED',
      outputHash: held.stored.hash,
    });
    const [kept = '', after = ''] = `${held.text()}${held.text('stderr')}`.split(mark);
    expect(kept.split('\nsecond\n')[1]).toMatch(/^(y\n)+y?\n?\n$/);
    expect(after).toContain('second\n');
    expect(held.text('stderr')).toContain('was interrupted and runs again');
  });
});

describe('a clock that jumps by hours, forward and back', () => {
  it('costs no lease, and moves no timeout', async () => {
    stage().startWith(`
      const Real = Date;
      const hours = [0, 5, -5, 9, -1];
      const shiftMs = () => (hours[Math.floor(performance.now() / 150) % hours.length] ?? 0) * 3_600_000;
      globalThis.Date = class extends Real {
        constructor(...words) { if (words.length > 0) super(...words); else super(Real.now() + shiftMs()); }
        static now() { return Real.now() + shiftMs(); }
      };
    `);
    const held = stage().gateway.shell('for i in 1 2 3 4 5 6; do echo $i; sleep 0.4; done', {
      leaseMs: 1_200,
    });
    expect(await stage().ended(held)).toMatchObject({ status: 'SUCCEEDED', outputHash: held.stored.hash });
    expect(held.text()).toMatch(/\n1\n2\n3\n4\n5\n6\n$/);
    expect(held.expiries).toBe(0);
    const hoursSeen = new Set(held.chunks.map((chunk) => chunk.at.slice(0, 13)));
    expect(hoursSeen.size).toBeGreaterThan(1);
    const limited = stage().gateway.shell('sleep 600', { runTimeoutMs: 1_000, killGraceMs: 200 });
    const startMs = performance.now();
    expect((await stage().ended(limited)).status).toBe('TIMED_OUT');
    expect(performance.now() - startMs).toBeGreaterThan(900);
  });
});

describe('a disk that takes seconds to write', () => {
  it('costs no lease', async () => {
    stage().startWith(`
      import fs from 'node:fs';
      const slowMs = 2_500;
      const { fdatasync, fdatasyncSync } = fs;
      fs.fdatasync = (handle, done) => setTimeout(() => fdatasync(handle, done), slowMs);
      fs.fdatasyncSync = (handle) => {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, slowMs);
        fdatasyncSync(handle);
      };
    `);
    const held = stage().gateway.shell('echo one', { leaseMs: 1_500 });
    expect((await stage().ended(held, 20_000)).status).toBe('SUCCEEDED');
    expect(held.renewals).toBeGreaterThan(3);
    expect(held.expiries).toBe(0);
  });
});

const spoolFiles = (): readonly string[] => stage().filesOf('output');
const spooled = (): string =>
  spoolFiles()
    .map((path) => readFileSync(path, 'latin1'))
    .join('');
