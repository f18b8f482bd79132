import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '@signalbox/testkit';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Program } from '@signalbox/tools/system';
import { type RunningAgent, processesWith, startAgent, uniqueSleep, untilRunning } from './src/agents.ts';
import { type Device, enrolDevice } from './src/device.ts';
import { type Fleet, startFleet } from './src/fleet.ts';
import {
  auditOf,
  getAssignment,
  getJob,
  outputText,
  shellJob,
  storyOf,
  untilEnd,
  untilStatus,
} from './src/jobs.ts';
import { judge, lostOutput, settle } from './src/judge.ts';
import { startReplica } from './src/replica.ts';
import { type Stack, openStack } from './src/stack.ts';
import { type Traffic, startTraffic } from './src/traffic.ts';

/*
 * Jobs flow all the time while parts of the system are killed and come back. After each fault the log itself is read:
 * what was acknowledged has ended, and every invariant holds. Nothing is said about how fast it is.
 */

const leaseMs = 3_000;
const settings = {
  dispatcher: { SIGNALBOX_DEVICE_LEASE: `${leaseMs}ms` },
  'device-gateway': { SIGNALBOX_DEVICE_LEASE: `${leaseMs}ms` },
};
const acknowledged = new Set<string>();
let stack: Stack;
let agents: readonly RunningAgent[];
let devices: readonly Device[];
let fleet: Fleet;
let traffic: Traffic;

const open = (stateDir?: string, port?: number): Promise<Stack> =>
  openStack({ separate: true, settings, ...(stateDir === undefined ? {} : { stateDir, port }) });

/**
 * Most jobs go to simulated devices. Every fifth goes to a real agent: some of them print for a second, some are over
 * soon, and one in 25 runs into its timeout. Some have several attempts.
 */
const requestOf = (index: number): Readonly<Record<string, unknown>> => {
  const limits = { maxAttempts: 1 + (index % 3), killGraceMs: 500 };
  const agent = agents[index % 10 === 0 ? 0 : 1];
  if (index % 5 !== 0 || agent === undefined) {
    return shellJob(devices[index % devices.length]?.deviceId ?? '', 'true', { limits });
  }
  if (index % 25 === 0) {
    return shellJob(agent.deviceId, 'sleep 30', { limits: { runTimeoutMs: 1_000, killGraceMs: 500 } });
  }
  const command = index % 2 === 0 ? 'for i in 1 2 3 4 5; do echo line $i; sleep 0.2; done' : 'echo quick';
  return shellJob(agent.deviceId, command, { limits, priority: index % 10 });
};

const program = (name: string): Program => {
  const found = stack.system.programs.get(name);
  if (found === undefined) throw new Error(`expected a process of ${name}, got none`);
  return found;
};

const begin = (): void => {
  const cancels = (index: number): boolean => index % 7 === 3;
  traffic = startTraffic({ client: stack.admin, perSecond: 8, request: requestOf, cancels });
};

/** Ends the traffic and judges the log. */
const expectSound = async (): Promise<void> => {
  await traffic.stop();
  for (const id of traffic.acknowledged) acknowledged.add(id);
  await settle(stack, acknowledged);
  const { violations, checked } = await judge(stack, leaseMs);
  expect(violations).toEqual([]);
  expect(checked['1']).toBeGreaterThanOrEqual(acknowledged.size);
  expect(checked['6']).toBeGreaterThan(0);
  expect(await lostOutput(stack)).toEqual([]);
};

/** One fault under load: jobs flow, the fault happens and is mended, jobs flow again, and then the log is judged. */
const survive = async (fault: () => Promise<void>, mend: () => Promise<void>): Promise<void> => {
  begin();
  await traffic.flows(8);
  await fault();
  await traffic.tries(12);
  await mend();
  await traffic.flows(8);
  await expectSound();
};

beforeAll(async () => {
  stack = await open();
  agents = await Promise.all([startAgent(stack, 'real-1'), startAgent(stack, 'real-2')]);
  devices = await Promise.all(
    ['sim-1', 'sim-2', 'sim-3', 'sim-4'].map((name) => enrolDevice(stack.system.url, stack.admin, name)),
  );
  fleet = startFleet(devices);
}, 180_000);

afterAll(async () => {
  await traffic?.stop().catch(() => undefined);
  await fleet?.stop();
  await stack?.close();
}, 120_000);

it('loses nothing while nothing happens', async () => {
  begin();
  await traffic.flows(10);
  await expectSound();
  expect([...traffic.refusals]).toEqual([]);
});

it.each(['api', 'scheduler', 'dispatcher', 'device-gateway', 'audit'])(
  'survives the kill of the process %s',
  (name) =>
    survive(
      () => program(name).kill('SIGKILL'),
      () => program(name).start(),
    ),
  180_000,
);

it(
  'survives the kill of an agent in the middle of its work',
  () =>
    survive(
      async () => {
        const [agent] = agents;
        const asleep = uniqueSleep();
        await stack.createJob(shellJob(agent?.deviceId ?? '', asleep, { priority: 9 }));
        await untilRunning(asleep);
        await agent?.program.kill('SIGKILL');
      },
      async () => agents[0]?.program.start(),
    ),
  180_000,
);

it(
  'survives the kill of nats-server',
  () =>
    survive(
      async () => stack.system.nats?.kill(),
      async () => stack.system.nats?.start(),
    ),
  180_000,
);

it(
  'survives the loss of all that JetStream had',
  () =>
    survive(
      async () => {
        await stack.system.nats?.stop();
        await rm(stack.system.nats?.storeDir ?? '', { recursive: true, force: true });
      },
      async () => stack.system.nats?.start(),
    ),
  180_000,
);

it(
  'survives a restart of Postgres',
  () =>
    survive(
      async () => stack.system.postgres?.stop(),
      async () => stack.system.postgres?.start(),
    ),
  180_000,
);

it(
  'survives the kill of Postgres',
  () =>
    survive(
      async () => stack.system.postgres?.kill(),
      async () => stack.system.postgres?.start(),
    ),
  180_000,
);

it('loses nothing while one service after the other is restarted in order', async () => {
  begin();
  await traffic.flows(8);
  for (const [name, each] of stack.system.programs) {
    const start = performance.now();
    await each.stop(10_000);
    expect({ name, end: await each.exited() }).toEqual({ name, end: '0' });
    expect(performance.now() - start).toBeLessThan(10_000);
    await each.start();
  }
  await traffic.flows(8);
  await expectSound();
}, 180_000);

describe('an agent that is silent for longer than its lease', () => {
  const story = async (jobId: string) => storyOf(await auditOf(stack, jobId));
  const silence = async (jobId: string): Promise<void> => {
    await agents[0]?.program.kill('SIGSTOP');
    await eventually(
      async () => {
        const text = `select 1 from events.log where type = 'LeaseExpired' and correlation_id = $1`;
        return (await stack.inside(text, [jobId])).length > 0;
      },
      { what: 'LeaseExpired', timeoutMs: 20_000, everyMs: 100 },
    );
  };

  it('goes on when it is back in time', async () => {
    const command = 'echo first; sleep 4; echo last';
    const { jobId } = await stack.createJob(shellJob(agents[0]?.deviceId ?? '', command));
    await untilStatus(stack.admin, jobId, 'IN_PROGRESS');
    await silence(jobId);
    await agents[0]?.program.kill('SIGCONT');
    expect(await untilEnd(stack.admin, jobId)).toMatchObject({ status: 'SUCCEEDED' });
    expect(await story(jobId)).toEqual([
      'JobCreated',
      'JobAssigned',
      'JobStatusChanged IN_PROGRESS',
      'LeaseExpired',
      'LeaseResumed',
      'JobStatusChanged SUCCEEDED',
    ]);
    expect(await outputText(stack.admin, jobId)).toMatch(/first\nlast\n$/);
    await expectSound();
  });

  it('drops an attempt that was given up meanwhile, and runs the next', async () => {
    const asleep = uniqueSleep();
    const flag = join(stack.system.stateDir, 'second-attempt');
    const command = `test -e ${flag} || { touch ${flag}; ${asleep}; }`;
    const limits = { maxAttempts: 2, lostAfterMs: 1_000, killGraceMs: 500 };
    const { jobId } = await stack.createJob(shellJob(agents[0]?.deviceId ?? '', command, { limits }));
    await untilRunning(asleep, 2);
    await silence(jobId);
    await eventually(async () => (await getAssignment(stack.admin, jobId)).attempt === 2, { everyMs: 100 });
    await agents[0]?.program.kill('SIGCONT');
    expect(await untilEnd(stack.admin, jobId)).toMatchObject({ status: 'SUCCEEDED' });
    expect(await getAssignment(stack.admin, jobId)).toMatchObject({
      attempt: 2,
      previousAttempts: [{ attempt: 1, reason: { code: 'agent-lost' } }],
    });
    expect(await processesWith(asleep)).toEqual([]);
    await expectSound();
  });
});

it('hands the relay to a second scheduler when its holder is killed', async () => {
  const replica = await startReplica(stack, 'scheduler', 'SIGNALBOX_SCHEDULER_PORT');
  try {
    begin();
    await traffic.flows(8);
    const metric = async () => (await fetch(`${replica.url}/metrics`)).text();
    expect(await metric()).toMatch(/^signalbox_relay_active(\{.*\})? 0$/m);
    await program('scheduler').kill('SIGKILL');
    await eventually(async () => /^signalbox_relay_active(\{.*\})? 1$/m.test(await metric()), {
      what: 'the second scheduler to lead the relay',
      timeoutMs: 15_000,
    });
    await traffic.flows(8);
    await expectSound();
    await program('scheduler').start();
  } finally {
    await replica.stop();
  }
}, 180_000);

it('comes back after everything was killed in the middle of a job', async () => {
  const [agent] = agents;
  if (agent === undefined) throw new Error('expected an agent, got none');
  const asleep = uniqueSleep();
  const { jobId } = await stack.createJob(shellJob(agent.deviceId, `echo started; ${asleep}`));
  const { jobId: waiting } = await stack.createJob(shellJob(agent.deviceId, 'echo later'));
  acknowledged.add(jobId).add(waiting);
  await untilStatus(stack.admin, jobId, 'IN_PROGRESS');
  await untilRunning(asleep);
  begin();
  await traffic.flows(8);
  const { system } = stack;
  const processes = [...agents.map((each) => each.program), ...system.programs.values()];
  await Promise.all([
    ...processes.map((each) => each.kill('SIGKILL')),
    system.nats?.kill(),
    system.postgres?.kill(),
  ]);
  await traffic.tries(8);
  await system.stop();

  stack = await open(system.stateDir, Number(new URL(system.url).port));
  await Promise.all(['real-1', 'real-2'].map((name) => startAgent(stack, name)));
  await traffic.flows(8);
  await expectSound();
  expect(await getAssignment(stack.admin, jobId)).toMatchObject({
    status: 'FAILED',
    reason: { code: 'interrupted' },
  });
  expect(await getJob(stack.admin, waiting)).toMatchObject({ status: 'SUCCEEDED' });
}, 180_000);
