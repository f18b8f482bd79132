import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OutputPage, type OutputRow } from '@signalbox/contracts';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { field, textField } from '@signalbox/tools/system';
import {
  type RunningAgent,
  processesWith,
  startAgent,
  uniqueSleep,
  untilGone,
  untilRunning,
} from './src/agents.ts';
import {
  auditOf,
  getAssignment,
  outputText,
  shellJob,
  stepsJob,
  storyOf,
  untilEnd,
  untilStatus,
} from './src/jobs.ts';
import { type Stack, openStack } from './src/stack.ts';

let stack: Stack;
let agent: RunningAgent;
let scratch: string;

beforeAll(async () => {
  stack = await openStack();
  scratch = await mkdtemp(join(tmpdir(), 'signalbox-e2e-job-'));
  agent = await startAgent(stack, 'pi-1');
});

afterAll(async () => {
  await stack?.close();
  await rm(scratch, { recursive: true, force: true });
});

const create = async (request: Readonly<Record<string, unknown>>): Promise<string> =>
  (await stack.createJob(request)).jobId;
const run = async (request: Readonly<Record<string, unknown>>) => {
  const jobId = await create(request);
  const job = await untilEnd(stack.admin, jobId);
  return {
    job,
    assignment: await getAssignment(stack.admin, jobId),
    text: await outputText(stack.admin, jobId),
  };
};
const cancel = (jobId: string) => stack.admin.post(`/api/v1/jobs/${jobId}/cancel`, { reason: 'enough' });

const chunksOf = async (jobId: string): Promise<readonly OutputRow[]> => {
  const chunks: OutputRow[] = [];
  for (let from = 1; ;) {
    const page = OutputPage.parse(await stack.admin.get(`/api/v1/jobs/${jobId}/output?fromSequence=${from}`));
    if (page.chunks.length === 0) return chunks;
    chunks.push(...page.chunks);
    from = page.nextSequence;
  }
};

/** The hash chain as the documentation has it, written down a second time. */
const chainOf = (chunks: readonly OutputRow[]): string => {
  let hash: Buffer = Buffer.alloc(32);
  for (const { sequence, stream, data } of chunks) {
    const head = Buffer.alloc(5);
    head.writeUInt32BE(sequence);
    head[4] = stream === 'stdout' ? 1 : 2;
    hash = createHash('sha256').update(hash).update(head).update(Buffer.from(data, 'base64')).digest();
  }
  return hash.toString('hex');
};

describe('steps', () => {
  it('run one after the other, with their own environment and folder, and the final step last', async () => {
    const document = {
      environment: { WHO: 'document' },
      steps: [
        { name: 'argv', type: 'runCommand', input: { command: 'printf,%s\\,%s\\n,a,b c' } },
        { name: 'where', type: 'runShell', workingDirectory: '/', input: { command: 'pwd; echo $WHO' } },
        { name: 'skipped', type: 'runShell', ignoreStepFailure: true, input: { command: 'exit 4' } },
        { name: 'own', type: 'runShell', environment: { WHO: 'step' }, input: { command: 'echo $WHO >&2' } },
      ],
      finalStep: { name: 'last', type: 'runCommand', input: { command: ['echo', 'final'] } },
    };
    const { job, assignment, text } = await run({ ...shellJob(agent.deviceId, ''), document });
    expect(job).toMatchObject({ status: 'SUCCEEDED' });
    expect(assignment.result).toMatchObject({ exitCode: 0, executedSteps: 5, failedStep: null });
    expect(text.split('\n').filter((line) => !line.startsWith('$ '))).toEqual(
      expect.arrayContaining(['a,b c', '/', 'document', 'step', 'final']),
    );
    const chunks = await chunksOf(job.jobId);
    expect(chunks.filter(({ stream }) => stream === 'stderr').map((chunk) => chunk.text)).toEqual(['step\n']);
    expect(chainOf(chunks)).toBe(assignment.result?.outputHash);
  });

  it('stop at the one that fails, and keep its exit code', async () => {
    const steps = { one: 'echo one', two: 'exit 7', three: 'echo three' };
    const { job, assignment, text } = await run(stepsJob(agent.deviceId, steps));
    expect(job).toMatchObject({ status: 'FAILED', counts: { failed: 1 } });
    expect(assignment.reason?.code).toBe('step-failed');
    expect(assignment.result).toMatchObject({
      exitCode: 7,
      signal: null,
      failedStep: 'two',
      executedSteps: 2,
    });
    expect(text).toContain('one');
    expect(text).not.toContain('three');
  });

  it('say by which signal they were killed', async () => {
    const { job, assignment } = await run(shellJob(agent.deviceId, 'kill -SEGV $$'));
    expect(job.status).toBe('FAILED');
    expect(assignment.result).toMatchObject({ exitCode: null, signal: 'SIGSEGV' });
  });

  it('say that a program does not exist', async () => {
    const document = { steps: [{ name: 'x', type: 'runCommand', input: { command: ['no-such-program'] } }] };
    const { job, assignment } = await run({ ...shellJob(agent.deviceId, ''), document });
    expect(job.status).toBe('FAILED');
    expect(assignment.reason).toMatchObject({ code: 'start-failed' });
    expect(assignment.reason?.message).toContain('no-such-program');
  });
});

describe('output', () => {
  it('arrives within about a second of being printed, stdout and stderr apart', async () => {
    const command = 'for i in 1 2 3 4; do date +%s%3N; echo oops $i >&2; sleep 1; done';
    const jobId = await create(shellJob(agent.deviceId, command));
    const delays: number[] = [];
    let errors = '';
    for await (const { event, data } of stack.admin.stream(`/api/v1/jobs/${jobId}/stream`)) {
      if (event !== 'output') continue;
      const text = textField(data, 'text');
      if (field(data, 'stream') === 'stderr') errors += text;
      for (const [printed] of text.matchAll(/^\d{13}$/gm)) delays.push(Date.now() - Number(printed));
    }
    expect(errors).toBe('oops 1\noops 2\noops 3\noops 4\n');
    expect(delays).toHaveLength(4);
    expect(Math.max(...delays)).toBeLessThan(1_500);
  });

  it('is complete and as it was hashed, more than 100 kB of it', async () => {
    const { job, assignment, text } = await run(shellJob(agent.deviceId, 'seq 1 20000'));
    const lines = Array.from({ length: 20_000 }, (_, index) => `${index + 1}\n`).join('');
    expect(text === `$ seq 1 20000\n${lines}`).toBe(true);
    const chunks = await chunksOf(job.jobId);
    expect(assignment.result).toMatchObject({
      outputBytes: Buffer.byteLength(text),
      outputHash: chainOf(chunks),
    });
  });
});

describe('an end that was asked for', () => {
  it('kills at the run timeout, with everything that was started', async () => {
    const asleep = uniqueSleep();
    const limits = { runTimeoutMs: 2_000, killGraceMs: 500 };
    const { job, assignment } = await run(shellJob(agent.deviceId, `${asleep} & ${asleep}`, { limits }));
    expect(job.status).toBe('TIMED_OUT');
    expect(assignment.reason?.code).toBe('run-timeout');
    expect(Date.parse(job.endedAt ?? '') - Date.parse(job.startedAt ?? '')).toBeLessThan(4_500);
    expect(await processesWith(asleep)).toEqual([]);
  });

  it('cancels what runs, grandchildren too, within the kill grace and a second', async () => {
    const asleep = uniqueSleep();
    const command = `trap '' TERM; setsid ${asleep} & (${asleep} &) ; bash -c '${asleep}; true' & ${asleep}; ${asleep}`;
    const killGraceMs = 2_000;
    const jobId = await create(shellJob(agent.deviceId, command, { limits: { killGraceMs } }));
    await untilRunning(asleep, 4);
    expect(await cancel(jobId)).toMatchObject({ outcome: 'cancel-requested', status: 'IN_PROGRESS' });
    expect(await untilGone(asleep, killGraceMs + 1_000)).toBeLessThan(killGraceMs + 1_000);
    const job = await untilEnd(stack.admin, jobId);
    expect(job).toMatchObject({ status: 'CANCELED', cancelRequestedAt: expect.any(String) });
    expect(await cancel(jobId)).toMatchObject({ outcome: 'already-ended', status: 'CANCELED' });
    await run(shellJob(agent.deviceId, 'true'));
    const rows = await auditOf(stack, jobId);
    expect(storyOf(rows)).toEqual([
      'JobCreated',
      'JobAssigned',
      'JobStatusChanged IN_PROGRESS',
      'JobCancelRequested',
      'JobStatusChanged CANCELED',
    ]);
  });

  it('cancels what has not started, at once', async () => {
    const [running, waiting] = [
      await create(shellJob(agent.deviceId, 'sleep 1')),
      await create(shellJob(agent.deviceId, 'echo never')),
    ];
    expect(await cancel(waiting)).toMatchObject({ outcome: 'canceled', status: 'CANCELED' });
    expect(storyOf(await auditOf(stack, waiting))).toEqual([
      'JobCreated',
      'JobCancelRequested',
      'JobStatusChanged CANCELED',
    ]);
    expect(await untilEnd(stack.admin, running)).toMatchObject({ status: 'SUCCEEDED' });
    expect(await outputText(stack.admin, waiting)).toBe('');
  });
});

describe('attempts', () => {
  it('are repeated until one succeeds, each in the log', async () => {
    const file = join(scratch, 'count');
    const command = `n=$(cat ${file} 2>/dev/null || echo 0); echo $((n + 1)) > ${file}; test $n -ge 2`;
    const { job, assignment } = await run(shellJob(agent.deviceId, command, { limits: { maxAttempts: 3 } }));
    expect(job.status).toBe('SUCCEEDED');
    expect(assignment).toMatchObject({ attempt: 3, previousAttempts: [{ attempt: 1 }, { attempt: 2 }] });
    const again = ['JobAssigned', 'JobStatusChanged IN_PROGRESS'];
    expect(storyOf(await auditOf(stack, job.jobId))).toEqual([
      'JobCreated',
      ...again,
      'JobStatusChanged QUEUED',
      ...again,
      'JobStatusChanged QUEUED',
      ...again,
      'JobStatusChanged SUCCEEDED',
    ]);
  });

  it('end as FAILED when none succeeds, with the output of each', async () => {
    const { job, assignment } = await run(shellJob(agent.deviceId, 'exit 3', { limits: { maxAttempts: 3 } }));
    expect(job.status).toBe('FAILED');
    expect(assignment).toMatchObject({ attempt: 3, result: { exitCode: 3 } });
    const ends = assignment.previousAttempts.map(({ status, result }) => ({
      status,
      exitCode: result?.exitCode,
    }));
    expect(ends).toEqual([
      { status: 'FAILED', exitCode: 3 },
      { status: 'FAILED', exitCode: 3 },
    ]);
    const first = await stack.admin.get(`/api/v1/jobs/${job.jobId}/output?attempt=1`);
    expect(first).toMatchObject({ attempt: 1, chunks: [{ text: '$ exit 3\n' }] });
  });
});

describe('the queue of a device', () => {
  it('runs one job after the other, a higher priority first', async () => {
    const ids = [
      await create(shellJob(agent.deviceId, 'sleep 1', { priority: 1 })),
      await create(shellJob(agent.deviceId, 'true', { priority: 1 })),
      await create(shellJob(agent.deviceId, 'true', { priority: 1 })),
      await create(shellJob(agent.deviceId, 'true', { priority: 9 })),
    ];
    const jobs = await Promise.all(ids.map((id) => untilEnd(stack.admin, id)));
    const spans = jobs.map(({ jobId, startedAt, endedAt }) => ({
      jobId,
      startedAt: startedAt ?? '',
      endedAt: endedAt ?? '',
    }));
    const order = spans.toSorted((left, right) => left.startedAt.localeCompare(right.startedAt));
    expect(order.map(({ jobId }) => ids.indexOf(jobId))).toEqual([0, 3, 1, 2]);
    for (const [index, { startedAt }] of order.entries()) {
      if (index > 0) expect(startedAt > (order[index - 1]?.endedAt ?? '')).toBe(true);
    }
  });

  it('gives up a job that did not start in time', async () => {
    const blocking = await create(shellJob(agent.deviceId, 'sleep 3'));
    const { job, assignment } = await run(
      shellJob(agent.deviceId, 'true', { limits: { queueTimeoutMs: 1_000 } }),
    );
    expect(job).toMatchObject({ status: 'TIMED_OUT', startedAt: null });
    expect(assignment.reason?.code).toBe('queue-timeout');
    expect(await untilEnd(stack.admin, blocking)).toMatchObject({ status: 'SUCCEEDED' });
  });
});

describe('an agent that goes', () => {
  it('lets a running job end when it is asked to stop', async () => {
    const jobId = await create(shellJob(agent.deviceId, 'sleep 1; echo done'));
    await untilStatus(stack.admin, jobId, 'IN_PROGRESS');
    await agent.program.kill('SIGTERM');
    expect(await agent.program.exited()).toBe('0');
    expect(await untilEnd(stack.admin, jobId)).toMatchObject({ status: 'SUCCEEDED' });
  });

  it('finds the job that waited when it is back', async () => {
    const jobId = await create(shellJob(agent.deviceId, 'echo back'));
    const late = await create(shellJob(agent.deviceId, 'true', { limits: { queueTimeoutMs: 1_000 } }));
    await untilStatus(stack.admin, jobId, 'SCHEDULED');
    expect(await untilEnd(stack.admin, late)).toMatchObject({ status: 'TIMED_OUT' });
    await agent.program.start();
    expect(await untilEnd(stack.admin, jobId)).toMatchObject({ status: 'SUCCEEDED' });
    expect(await outputText(stack.admin, jobId)).toContain('back\n');
  });

  it('reports as interrupted what it was killed in, and leaves no process', async () => {
    const asleep = uniqueSleep();
    const jobId = await create(shellJob(agent.deviceId, `echo before; ${asleep} & ${asleep}`));
    await untilRunning(asleep, 2);
    await agent.program.kill('SIGKILL');
    await agent.program.start();
    const job = await untilEnd(stack.admin, jobId);
    expect(job.status).toBe('FAILED');
    expect(await getAssignment(stack.admin, jobId)).toMatchObject({ reason: { code: 'interrupted' } });
    expect(await processesWith(asleep)).toEqual([]);
    expect((await run(shellJob(agent.deviceId, 'true'))).job.status).toBe('SUCCEEDED');
  });

  it('ends its job and its processes when it is revoked', async () => {
    const doomed = await startAgent(stack, 'doomed');
    const asleep = uniqueSleep();
    const jobId = await create(shellJob(doomed.deviceId, asleep));
    const next = await create(shellJob(doomed.deviceId, 'echo never'));
    await untilRunning(asleep);
    await stack.admin.post(`/api/v1/agents/${doomed.agentId}/revoke`, { reason: 'stolen' });
    await untilGone(asleep, 5_000);
    expect(await untilEnd(stack.admin, jobId)).toMatchObject({ status: 'FAILED' });
    expect(await getAssignment(stack.admin, jobId)).toMatchObject({ reason: { code: 'agent-revoked' } });
    expect(await untilEnd(stack.admin, next)).toMatchObject({ status: 'REJECTED' });
  });
});
