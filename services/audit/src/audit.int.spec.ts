import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type CallContext, deriveId, streams } from '@signalbox/contracts';
import { type Service, newContext } from '@signalbox/service-kit';
import { eventually, newEvent } from '@signalbox/testkit';
import { listParked, redriveParked } from './tables/parked.ts';
import { rebuildAudit } from './tables/rebuild.ts';
import { type Course, appendInterleaved, jobHistory, jobIdOfNumber } from './testing/history.ts';
import { type Stack, allRows, startStack } from './testing/stack.ts';

const courses: readonly Course[] = [
  'QUEUED',
  'SCHEDULED',
  'IN_PROGRESS',
  'EXPIRED',
  'RETRIED',
  'SUCCEEDED',
  'REJECTED',
];
let nextNumber = 0;

/** Histories of jobs that no other test has. */
const histories = (
  count: number,
  courseOf = (index: number) => courses[index % courses.length] ?? 'QUEUED',
) =>
  Array.from({ length: count }, (_, index) => {
    nextNumber += 1;
    return {
      number: nextNumber,
      appends: jobHistory({ number: nextNumber, course: courseOf(index), startsAtMs: Date.now() }),
    };
  });

let stack: Stack;
let first: Service;
let context: CallContext;

beforeAll(async () => {
  stack = await startStack();
  first = await stack.startAudit();
}, 60_000);

afterAll(() => stack.close(), 60_000);

beforeEach(() => {
  context = newContext({ type: 'service', id: 'spec' });
});

/** Nothing is missing, nothing is there twice, no stream has a gap. */
const expectWhole = async () => {
  const { rows } = await stack.pool.query(
    `select (select count(*) from events.log) as recorded,
            (select count(*) from audit.audit_logs) + (select count(*) from audit.parked) as shown,
            (select count(*) from events.log l left join audit.audit_logs a on a.id = l.id and a.stream = l.stream
               and a.stream_version = l.version where a.id is null
               and not exists (select from audit.parked p where p.stream = l.stream)) as missing,
            (select count(*) from (select stream from audit.audit_logs group by stream
               having max(stream_version) <> count(*)) as gaps) as gaps`,
  );
  expect(rows[0]).toMatchObject({ missing: '0', gaps: '0' });
  expect(rows[0]?.shown).toBe(rows[0]?.recorded);
};

const shownUpTo = async (position: string) =>
  eventually(
    async () => {
      const { rows } = await stack.pool.query<{ position: string }>(
        'select position from audit.reader_positions',
      );
      return (rows[0]?.position ?? '') >= position;
    },
    { what: 'the projector to reach the position', timeoutMs: 20_000 },
  );

describe('the audit service', () => {
  it('shows every event once, and answers with what the caller has written', async () => {
    const all = histories(70);
    await appendInterleaved(
      stack.store,
      all.map(({ appends }) => appends),
    );
    const after = await stack.store.head();
    const succeeded = all[5]?.number ?? 0;
    const job = await stack.client.call('getJob', { jobId: jobIdOfNumber(succeeded), after }, context);
    expect(job).toMatchObject({ status: 'SUCCEEDED', counts: { succeeded: 1 } });
    const retried = jobIdOfNumber(all[4]?.number ?? 0);
    const { items } = await stack.client.call('listAssignments', { jobId: retried, after }, context);
    expect(items).toMatchObject([{ attempt: 2, status: 'SUCCEEDED', previousAttempts: [{ attempt: 1 }] }]);
    const page = await stack.client.call('listJobs', { limit: 5, after, status: 'REJECTED' }, context);
    expect(page.items.length).toBe(5);
    expect(page.nextCursor).not.toBeNull();
    const log = await stack.client.call(
      'listAudit',
      { limit: 50, correlationId: jobIdOfNumber(succeeded) },
      context,
    );
    expect(log.items.map((row) => row.type).toReversed()).toEqual([
      'JobCreated',
      'JobAssigned',
      'JobStatusChanged',
      'JobStatusChanged',
    ]);
    await expectWhole();
  });

  it('refuses what is not there, and a position that it has not reached in time', async () => {
    await expect(stack.client.call('getJob', { jobId: jobIdOfNumber(0) }, context)).rejects.toMatchObject({
      code: 'not-found',
    });
    const startedMs = performance.now();
    const far = stack.client.call('listAudit', { limit: 1, after: '9'.repeat(16) }, context);
    await expect(far).rejects.toMatchObject({ code: 'not-caught-up' });
    expect(performance.now() - startedMs).toBeGreaterThan(1_900);
    expect(performance.now() - startedMs).toBeLessThan(4_000);
  });

  it('shows nothing while NATS is away and everything when it is back', async () => {
    const before = await stack.store.head();
    await shownUpTo(before);
    await stack.nats.stop();
    const [job] = histories(1, () => 'SUCCEEDED');
    await appendInterleaved(stack.store, [job?.appends ?? []]);
    const readers = await stack.pool.query('select position from audit.reader_positions');
    expect(readers.rows).toEqual([{ position: before }]);
    await stack.nats.start();
    await shownUpTo(await stack.store.head());
    await expectWhole();
  });

  it('goes on in another replica without a gap when the one that projects stops', async () => {
    const second = await stack.startAudit();
    const some = histories(30);
    const appending = appendInterleaved(
      stack.store,
      some.map(({ appends }) => appends),
    );
    await first.stop();
    await appending;
    const after = await stack.store.head();
    await eventually(
      async () => {
        await stack.client.call('listAudit', { limit: 1, after }, context);
        return true;
      },
      { what: 'the other replica to project' },
    );
    await expectWhole();
    first = second;
  });

  it('is rebuilt, while it runs, to the same rows as those that grew', async () => {
    await shownUpTo(await stack.store.head());
    const grown = await allRows(stack.pool);
    const progress: number[] = [];
    const done = await rebuildAudit({
      pool: stack.pool,
      store: stack.store,
      batchSize: 37,
      onProgress: ({ events }) => progress.push(events),
    });
    expect(done).toMatchObject({
      parked: 0,
      position: await stack.store.head(),
      events: grown['logs']?.length,
    });
    expect(progress.length).toBeGreaterThan(3);
    expect(await allRows(stack.pool)).toEqual(grown);
    const more = histories(5);
    await appendInterleaved(
      stack.store,
      more.map(({ appends }) => appends),
    );
    await shownUpTo(await stack.store.head());
    await expectWhole();
  });
});

describe('events that cannot be shown', () => {
  it('are put aside with what follows in their stream, fail readiness, and hold back nobody else', async () => {
    const stream = streams.device('broken');
    await stack.store.append(stream, 0, [newEvent({ type: 'DeviceEnrolled', body: '{"deviceId":1}' })]);
    await stack.store.append(stream, 1, [
      newEvent({
        type: 'DeviceRevoked',
        body: JSON.stringify({ deviceId: 'broken', agentId: 'a', reason: null }),
      }),
    ]);
    const [other] = histories(1);
    await appendInterleaved(stack.store, [other?.appends ?? []]);
    await shownUpTo(await stack.store.head());
    const parked = await listParked(stack.pool, 10);
    expect(parked.map(({ stream: of, type }) => [of, type])).toEqual([
      [stream, 'DeviceEnrolled'],
      [stream, 'DeviceRevoked'],
    ]);
    const ready = await fetch(`${first.url}/health/ready`);
    expect(ready.status).toBe(503);
    expect(await ready.text()).toContain('parked');
    expect(await redriveParked(stack.pool, stack.store, stream)).toEqual({ handled: 0, left: 2 });
    await expectWhole();
  });

  it('are shown once the cause is mended, with the row that a rebuild would give', async () => {
    const [job] = histories(1, () => 'RETRIED');
    if (job === undefined) throw new Error('expected a history');
    await stack.pool.query(
      "alter table audit.audit_logs add constraint cause check (correlation_id <> 'refused') not valid",
    );
    const [created, ...rest] = job.appends;
    const poisoned = created?.events.map((event) => ({ ...event, correlationId: 'refused' })) ?? [];
    const stream = streams.job(jobIdOfNumber(job.number));
    await stack.store.append(stream, 0, poisoned);
    await appendInterleaved(stack.store, [rest]);
    await shownUpTo(await stack.store.head());
    expect((await listParked(stack.pool, 10)).map((row) => row.stream)).toContain(stream);
    expect(await rebuildAudit({ pool: stack.pool, store: stack.store })).toMatchObject({ parked: 3 });
    await shownUpTo(await stack.store.head());
    await expectWhole();
    await stack.pool.query('alter table audit.audit_logs drop constraint cause');
    expect(await redriveParked(stack.pool, stack.store, stream)).toEqual({ handled: 1, left: 0 });
    const grown = await allRows(stack.pool);
    expect(grown['jobs']?.some((row) => row.includes(deriveId('history', job.number)))).toBe(true);
    await rebuildAudit({ pool: stack.pool, store: stack.store });
    expect(await allRows(stack.pool)).toEqual(grown);
  });
});
