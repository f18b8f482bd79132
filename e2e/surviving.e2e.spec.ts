import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@signalbox/testkit';
import { type RunningAgent, startAgent, uniqueSleep, untilGone, untilRunning } from './src/agents.ts';
import { auditOf, getAssignment, outputText, storyOf, untilEnd } from './src/jobs.ts';
import { judge, lostOutput } from './src/judge.ts';
import { type Stack, openStack } from './src/stack.ts';

/*
 * What an agent does that is killed or cut off in the middle of an attempt: the real agent, the real
 * gateway, and the log as the judge.
 */

const leaseMs = 2_000;
const settings = {
  dispatcher: { SIGNALBOX_DEVICE_LEASE: `${leaseMs}ms` },
  'device-gateway': { SIGNALBOX_DEVICE_LEASE: `${leaseMs}ms` },
};
let stack: Stack;
let agent: RunningAgent;

beforeAll(async () => {
  stack = await openStack({ separate: true, settings });
  agent = await startAgent(stack, 'survivor');
}, 120_000);
afterAll(async () => {
  expect((await judge(stack, leaseMs)).violations).toEqual([]);
  expect(await lostOutput(stack)).toEqual([]);
  await stack.close();
}, 60_000);

/** A job of three steps, the second with fields of its own. */
const threeSteps = async (second: string, fields: object, limits: object = {}): Promise<string> => {
  const step = (name: string, command: string, more: object = {}) => ({
    name,
    type: 'runShell',
    input: { command },
    ...more,
  });
  const steps = [step('one', 'echo did one'), step('two', second, fields), step('three', 'echo did three')];
  const { jobId } = await stack.createJob({
    name: 'three steps',
    target: { type: 'device', ids: [agent.deviceId] },
    document: { steps },
    limits: { killGraceMs: 500, ...limits },
  });
  return jobId;
};
const story = async (jobId: string) => storyOf(await auditOf(stack, jobId));
const gateway = () => {
  const program = stack.system.programs.get('device-gateway');
  if (program === undefined) throw new Error('expected a gateway of its own process, got none');
  return program;
};
const times = (text: string, word: RegExp): number => text.match(word)?.length ?? 0;

describe('an agent that is killed in the second of three steps', () => {
  it('fails the attempt as interrupted, and runs nothing twice', async () => {
    const sleep = uniqueSleep();
    const jobId = await threeSteps(`echo did two; ${sleep}`, {});
    await untilRunning(sleep);
    await agent.program.kill();
    await agent.program.start();
    expect(await untilEnd(stack.admin, jobId)).toMatchObject({ status: 'FAILED' });
    await untilGone(sleep, 5_000);
    const { reason, result } = await getAssignment(stack.admin, jobId);
    expect(reason?.code).toBe('interrupted');
    expect(result).toMatchObject({ failedStep: 'two', executedSteps: 2 });
    expect(times(await outputText(stack.admin, jobId), /^did one$/gm)).toBe(1);
  });

  it('goes on after its lease had expired, with the step that may run again', async () => {
    const sleep = uniqueSleep();
    const mark = join(stack.system.stateDir, 'second-run');
    const jobId = await threeSteps(`echo did two; [ -e ${mark} ] || ${sleep}`, { onInterrupt: 'rerun' });
    await untilRunning(sleep);
    await agent.program.kill();
    writeFileSync(mark, '');
    const expired = async () =>
      (
        await stack.inside(`select 1 from events.log where type = 'LeaseExpired' and correlation_id = $1`, [
          jobId,
        ])
      ).length > 0;
    await eventually(expired, { what: 'the lease to expire', timeoutMs: 20_000 });
    await agent.program.start();
    expect(await untilEnd(stack.admin, jobId)).toMatchObject({ status: 'SUCCEEDED' });
    await untilGone(sleep, 5_000);
    expect(await story(jobId)).toEqual([
      'JobCreated',
      'JobAssigned',
      'JobStatusChanged IN_PROGRESS',
      'LeaseExpired',
      'LeaseResumed',
      'JobStatusChanged SUCCEEDED',
    ]);
    const text = await outputText(stack.admin, jobId);
    expect([times(text, /^did one$/gm), times(text, /^did two$/gm), times(text, /^did three$/gm)]).toEqual([
      1, 2, 1,
    ]);
  });

  it('drops the attempt when the log has ended it meanwhile', async () => {
    const sleep = uniqueSleep();
    const jobId = await threeSteps(sleep, { onInterrupt: 'rerun' }, { lostAfterMs: 1_000 });
    await untilRunning(sleep);
    await agent.program.kill();
    expect(await untilEnd(stack.admin, jobId, 30_000)).toMatchObject({ status: 'FAILED' });
    await agent.program.start();
    await untilGone(sleep, 10_000);
    expect((await getAssignment(stack.admin, jobId)).reason?.code).toBe('agent-lost');
    expect((await story(jobId)).at(-1)).toBe('JobStatusChanged FAILED');
  });
});

describe('a gateway that is away for longer than the lease', () => {
  it('gets all output when it is back, in its order', async () => {
    const through = join(stack.system.stateDir, 'through');
    const jobId = await threeSteps(
      `until [ -e ${through} ]; do sleep 0.1; done; seq 1 300000; touch ${through}.written; sleep 1`,
      {},
    );
    await eventually(async () => (await outputText(stack.admin, jobId)).includes('did one'), {
      what: 'the first output',
      timeoutMs: 20_000,
    });
    await gateway().kill();
    writeFileSync(through, '');
    await eventually(() => existsSync(`${through}.written`), {
      what: 'the step to have written',
      timeoutMs: 30_000,
    });
    await new Promise((resolve) => setTimeout(resolve, leaseMs + 1_000)); // longer than the lease is the point
    await gateway().start();
    expect(await untilEnd(stack.admin, jobId, 60_000)).toMatchObject({ status: 'SUCCEEDED' });
    const { result } = await getAssignment(stack.admin, jobId);
    const lines = Array.from({ length: 300_000 }, (_, index) => `${index + 1}\n`).join('');
    expect(result?.outputBytes).toBeGreaterThan(lines.length);
    expect((await outputText(stack.admin, jobId)).includes(lines)).toBe(true);
  });
});
