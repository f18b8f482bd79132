import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { deriveId } from '@signalbox/contracts';
import { type PostgresEventStore, openPostgresEventStore } from '@signalbox/event-store-postgres';
import { openPool } from '@signalbox/postgres';
import { Story, type TestDatabase, createDatabase } from '@signalbox/testkit';
import type pg from 'pg';

let database: TestDatabase;
let pool: pg.Pool;
let store: PostgresEventStore;

beforeAll(async () => {
  database = await createDatabase();
  pool = openPool({ url: database.url, applicationName: 'spec', max: 2 });
  store = await openPostgresEventStore({ pool });
});

afterAll(async () => {
  await pool.end();
  await database.drop();
});

const checkLog = (...args: string[]): Promise<{ readonly code: number; readonly output: string }> =>
  new Promise((resolve) => {
    const program = [join(import.meta.dirname, 'check-log.ts'), '--url', database.url, ...args];
    execFile(process.execPath, program, { env: { PATH: process.env['PATH'] } }, (error, stdout, stderr) => {
      resolve({ code: Number(error?.code ?? 0), output: stdout + stderr });
    });
  });

it('passes a log that the deciders wrote, and fails one in which somebody else wrote', async () => {
  const story = new Story(store);
  await story.create();
  await story.assign();
  await story.claim();
  const running = await checkLog('--settled');
  expect(running).toMatchObject({
    code: 1,
    output: expect.stringContaining('1: expected the job to end, got no end'),
  });
  await story.report('SUCCEEDED');
  expect(await checkLog('--settled')).toMatchObject({
    code: 0,
    output: expect.stringMatching(/^ +4 +4 +0 /m),
  });

  await store.append(`assignment-${story.jobId}-${story.targetId}`, 3, [
    {
      id: deriveId('planted'),
      type: 'LeaseExpired',
      version: 1,
      occurredAt: '2026-02-01T00:00:00.000Z',
      actor: { type: 'service', id: 'gateway' },
      correlationId: story.jobId,
      causationId: null,
      body: JSON.stringify({ jobId: story.jobId, targetId: story.targetId, agentId: 'x', attempt: 0 }),
    },
  ]);
  const { code, output } = await checkLog();
  expect(code).toBe(1);
  expect(output).toContain('4: expected a readable event, got LeaseExpired v1');
}, 60_000);
