/**
 * The bundled agent as a real process. A double stands for the device gateway only (testing/gateway-double.ts); the
 * agent, the programs it starts, their processes, signals and files are real.
 */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '@signalbox/testkit';
import { AgentProcess, createBench, type Bench } from './testing/agent-process.ts';
import { GatewayDouble, type HeldAttempt } from './testing/gateway-double.ts';

let bench: Bench;
let gateway: GatewayDouble;
let agents: AgentProcess[] = [];
let stateDir: string;

const start = (
  flags: readonly string[] = ['--token', gateway.token],
  environment: Readonly<Record<string, string>> = {},
) => {
  const words = ['--server', gateway.url, '--state-dir', stateDir, ...flags];
  const agent = new AgentProcess(bench.bundle, words, environment);
  agents.push(agent);
  return agent;
};

const ended = (held: HeldAttempt, timeoutMs = 10_000) =>
  eventually(() => held.end, { what: 'the end of the attempt', timeoutMs });

beforeAll(async () => {
  bench = await createBench();
});
afterAll(() => bench.remove());
beforeEach(async () => {
  gateway = new GatewayDouble();
  await gateway.start();
  stateDir = bench.folder();
});
afterEach(async () => {
  await Promise.all(agents.map((agent) => agent.kill()));
  agents = [];
  await gateway.stop();
  expect(gateway.violations).toEqual([]);
});

describe('enrolment', () => {
  it('enrols once, keeps the credential to its owner, and goes on with it', async () => {
    const first = start([
      '--token',
      gateway.token,
      '--name',
      'kitchen',
      '--property',
      'site=north',
      '--property',
      'rack=7',
    ]);
    await eventually(() => gateway.requests.includes('/poll'));
    expect(gateway.enrolments).toMatchObject([
      { name: 'kitchen', agentVersion: '0.1.0', os: 'linux', properties: { site: 'north', rack: '7' } },
    ]);
    expect(statSync(join(stateDir, 'credential.json')).mode & 0o777).toBe(0o600);
    first.signal('SIGTERM');
    expect(await first.exited).toEqual({ code: 0, signal: null });
    const second = start();
    await eventually(() => gateway.requests.filter((path) => path === '/poll').length > 1);
    expect(gateway.enrolments.length).toBe(1);
    const { credential } = JSON.parse(readFileSync(join(stateDir, 'credential.json'), 'utf8'));
    expect(first.log + second.log).not.toContain(credential);
    expect(first.log + second.log).not.toContain(gateway.token);
  });

  it('ends with code 2 and says why when the token is refused', async () => {
    const agent = start(['--token', 'y'.repeat(30)]);
    expect(await agent.exited).toEqual({ code: 2, signal: null });
    expect(agent.log).toContain('token refused');
  });

  it('asks for a token when there is neither one nor a credential', async () => {
    const agent = start([]);
    expect(await agent.exited).toEqual({ code: 2, signal: null });
    expect(agent.log).toContain('use --token');
  });
});

describe('running a job', () => {
  it('sends output in order, with its hash, and keeps to two requests for a short job', async () => {
    start();
    await eventually(() => gateway.requests.includes('/poll'));
    const first = gateway.shell('echo one; echo two >&2; printf three');
    expect(await ended(first)).toMatchObject({
      status: 'SUCCEEDED',
      exitCode: 0,
      executedSteps: 1,
      failedStep: null,
    });
    expect(first.text()).toBe('$ echo one; echo two >&2; printf three\none\nthree');
    expect(first.text('stderr')).toBe('two\n');
    expect(first.end?.outputHash).toBe(first.stored.hash);
    const second = gateway.shell('echo next');
    await ended(second);
    expect(gateway.requests.map((path) => path.split('/').at(-1))).toEqual([
      'enrol',
      'poll',
      'status',
      'status',
    ]);
  });
});
