import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { newEvent } from '@signalbox/testkit';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { openPostgresEventStore } from '@signalbox/event-store-postgres';
import { type AuditDatabase, openAuditDatabase } from './testing/database.ts';
import { appendInterleaved, jobHistory } from './testing/history.ts';
import { allRows } from './testing/stack.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
let database: AuditDatabase;

beforeAll(async () => {
  database = await openAuditDatabase();
});

afterAll(() => database.close());

/** Runs a program as `npm run` does, with the Node of the project. */
const run = (...args: readonly string[]) =>
  promisify(execFile)('node_modules/.bin/node', [...args], {
    cwd: root,
    env: { ...process.env, NODE_OPTIONS: '', DATABASE_URL: database.url },
  });

it('rebuilds by one command, again to the same rows, and lists what is parked', async () => {
  const store = await openPostgresEventStore({ pool: database.pool });
  const histories = [1, 2, 3].map((number) =>
    jobHistory({ number, course: 'RETRIED', startsAtMs: Date.now() }),
  );
  await appendInterleaved(store, histories);
  await store.append('device-broken', 0, [newEvent({ type: 'DeviceEnrolled', body: '{}' })]);
  const events = histories.flat().length + 1;
  const first = await run('tools/rebuild-audit.ts');
  expect(first.stdout).toMatch(new RegExp(`^rebuilt from ${events} events in [0-9.]+ s, 1 parked\n$`));
  const rows = await allRows(database.pool);
  expect(rows['logs']?.length).toBe(events - 1);
  expect(rows['jobs']?.length).toBe(3);
  await database.pool.query("update audit.job_rows set status = 'LOST'; delete from audit.assignment_rows");
  await run('tools/rebuild-audit.ts');
  expect(await allRows(database.pool)).toEqual(rows);
  const list = await run('tools/parked.ts', 'audit', 'list');
  expect(list.stdout).toMatch(/device-broken {2}DeviceEnrolled[^\n]+\n1 parked event\(s\)\n$/);
  await expect(run('tools/parked.ts', 'audit', 'redrive', 'device-broken')).rejects.toMatchObject({
    code: 1,
    stdout: '0 event(s) processed, 1 left parked\n',
  });
  await expect(run('tools/parked.ts', 'audit')).rejects.toMatchObject({ code: 2 });
});
