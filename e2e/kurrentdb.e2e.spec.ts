import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startStandIn, type StandInServer } from '@signalbox/event-store-kurrentdb/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type RunningAgent, startAgent } from './src/agents.ts';
import { auditOf, shellJob, untilEnd } from './src/jobs.ts';
import { type Stack, openStack } from './src/stack.ts';

const run = promisify(execFile);
const tool = (name: string): string => join(import.meta.dirname, '..', 'tools', name);

let server: StandInServer;
let stack: Stack;
let agent: RunningAgent;

beforeAll(async () => {
  server = await startStandIn();
  stack = await openStack({ kurrentdbUrl: server.url });
  agent = await startAgent(stack, 'kurrent-pi');
});

afterAll(async () => {
  await stack?.close();
  server?.kill();
});

/** Runs one job to its end and answers its id. */
const runJob = async (command: string): Promise<string> => {
  const { jobId } = await stack.createJob(shellJob(agent.deviceId, command));
  expect((await untilEnd(stack.admin, jobId)).status).toBe('SUCCEEDED');
  return jobId;
};

const runTool = (name: string, ...args: readonly string[]) =>
  run(process.execPath, [tool(name), ...args], {
    env: {
      PATH: process.env['PATH'],
      DATABASE_URL: stack.system.databaseUrl,
      SIGNALBOX_EVENT_STORE: 'kurrentdb',
      SIGNALBOX_KURRENTDB_URL: server.url,
    },
  });

const story = ['JobCreated', 'JobAssigned', 'JobStatusChanged', 'JobStatusChanged'];

describe('the whole system with its log in KurrentDB, here a stand-in', () => {
  it('runs a job to its end and tells its story in four events, none of them in Postgres', async () => {
    const jobId = await runJob('echo hello');
    expect((await auditOf(stack, jobId)).map((row) => row['event_type'])).toEqual(story);
    expect(server.log.stream(`signalbox.job-${jobId}`).map(({ type }) => type)).toContain('JobCreated');
    expect(await stack.inside(`select to_regclass('events.log') as log`)).toEqual([{ log: null }]);
  });

  it('goes on when the server was killed and is back with its data', async () => {
    const { port, log } = server;
    server.kill();
    server = await startStandIn({ port, log });
    const jobId = await runJob('echo again');
    expect((await auditOf(stack, jobId)).map((row) => row['event_type'])).toEqual(story);
  });

  it('is judged by check-log and rebuilt from the log by the same settings', async () => {
    const before = await stack.audit('select id from audit_logs order by position');
    expect(before.length).toBeGreaterThanOrEqual(8);
    const judged = await runTool('check-log.ts', '--settled');
    expect(judged.stdout).toMatch(/^invariant {2}checked/);
    const rebuilt = await runTool('rebuild-audit.ts');
    expect(rebuilt.stdout).toContain(`rebuilt from ${before.length} events`);
    expect(await stack.audit('select id from audit_logs order by position')).toEqual(before);
  });
});
