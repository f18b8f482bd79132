import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
// eslint-disable-next-line signalbox/boundaries -- the spec starts the real system; the example imports nothing of ours
import {
  type Client,
  type Program,
  type System,
  createClient,
  createProgram,
  field,
  startSystem,
  textField,
} from '@signalbox/tools/system';

const patienceMs = 60_000;

let folder: string;
let system: System;
let client: Client;
let subscriber: Program;
let deviceId: string;

/** Repeats a question until it has an answer. */
const until = async <T>(what: string, ask: () => Promise<T | undefined>): Promise<T> => {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() > deadline) throw new Error(`expected ${what} within ${patienceMs} ms, got none`);
    await delay(50);
  }
};

const outputFile = (): string => join(folder, 'subscriber.log');

/** Lines about ended jobs, as they were printed. */
const printed = async (): Promise<string[]> => {
  const text = await readFile(outputFile(), 'utf8').catch(() => '');
  return text.split('\n').filter((line) => / job \S+ ended /.test(line));
};

const createJobs = async (count: number, command: readonly string[]): Promise<string[]> => {
  const document = { version: '1.0', steps: [{ name: 'only', type: 'runCommand', input: { command } }] };
  const target = { type: 'device', ids: [deviceId] };
  const jobIds: string[] = [];
  for (let number = 1; number <= count; number += 1)
    jobIds.push(
      textField(await client.post('/api/v1/jobs', { name: 'one of many', document, target }), 'jobId'),
    );
  return jobIds;
};

const statusOf = async (jobId: string): Promise<string> =>
  textField(await client.get(`/api/v1/jobs/${jobId}`), 'status');

const whenEnded = (jobIds: readonly string[], status: string) =>
  until(`${jobIds.length} jobs to end ${status}`, async () => {
    for (const jobId of jobIds) if ((await statusOf(jobId)) !== status) return undefined;
    return true;
  });

/** Waits for a line about each job, then counts all lines. */
const linesPerJob = async (jobIds: readonly string[]): Promise<Record<string, number>> => {
  await until('a line about each job', async () => {
    const text = (await printed()).join('\n');
    return jobIds.every((jobId) => text.includes(jobId)) || undefined;
  });
  const lines = await printed();
  return Object.fromEntries(
    jobIds.map((jobId) => [jobId, lines.filter((line) => line.includes(jobId)).length]),
  );
};

const onceEach = (jobIds: readonly string[]): Record<string, number> =>
  Object.fromEntries(jobIds.map((jobId) => [jobId, 1]));

/** What is lost when somebody deletes the files of JetStream. */
const wipeJetStream = async (): Promise<void> => {
  if (system.nats === undefined) throw new Error('expected a nats-server of our own, got none');
  await system.nats.stop();
  await rm(system.nats.storeDir, { recursive: true, force: true });
  await system.nats.start();
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'signalbox-subscriber-'));
  system = await startSystem({ stateDir: join(folder, 'system'), port: 0 });
  client = createClient(system.url, system.adminKey);
  await system.startAgent('one');
  deviceId = await until('the agent to enrol', async () => {
    const items = field(await client.get('/api/v1/agents'), 'items');
    return Array.isArray(items) && items.length > 0 ? textField(items[0], 'agentId') : undefined;
  });
  const { url, natsUrl, adminKeyFile } = system;
  const flags = [
    '--api',
    url,
    '--nats',
    natsUrl,
    '--key-file',
    adminKeyFile,
    '--state',
    join(folder, 'state.json'),
  ];
  subscriber = createProgram({
    name: 'subscriber',
    args: ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, 'main.ts'), ...flags],
    env: { PATH: '/usr/bin:/bin' },
    logFile: outputFile(),
  });
});

afterAll(async () => {
  await subscriber?.stop();
  await system?.stop();
  await system?.postgres?.destroy();
  await rm(folder, { recursive: true, force: true });
});

describe('the example subscriber', () => {
  it('sees the end of each job once, also of those before its first start', async () => {
    const before = await createJobs(3, ['true']);
    await whenEnded(before, 'SUCCEEDED');
    await subscriber.start();
    const after = await createJobs(5, ['true']);
    const failing = await createJobs(1, ['false']);
    const all = [...before, ...after, ...failing];
    expect(await linesPerJob(all)).toEqual(onceEach(all));
    expect((await printed()).at(-1)).toContain(`${failing[0]} ended FAILED`);
  });

  it('misses and repeats nothing when JetStream is wiped while jobs go on', async () => {
    const before = await createJobs(10, ['true']);
    await wipeJetStream();
    const after = await createJobs(10, ['true']);
    const all = [...before, ...after];
    expect(await linesPerJob(all)).toEqual(onceEach(all));
  });

  it('goes on from its own position when JetStream was wiped while it was down', async () => {
    await subscriber.stop();
    expect(await subscriber.exited()).toBe('0');
    const missed = await createJobs(5, ['true']);
    await whenEnded(missed, 'SUCCEEDED');
    await wipeJetStream();
    await subscriber.start();
    const later = await createJobs(2, ['true']);
    const all = [...missed, ...later];
    expect(await linesPerJob(all)).toEqual(onceEach(all));
    const lines = await printed();
    expect(new Set(lines).size).toBe(lines.length);
  });
});
