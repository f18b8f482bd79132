import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type Event, decodeEvent, defaultLimits, positionStart } from '@signalbox/contracts';
import { InMemoryEventStore } from '@signalbox/event-store/testing';
import { migrate, openPool, openReaderState, transaction } from '@signalbox/postgres';
import { Story, type TestDatabase, createDatabase } from '@signalbox/testkit';
import type { Pool } from 'pg';
import { applyBatch } from './batch.ts';
import { issueIntent } from './intents.ts';
import { parked, redrive } from './maintenance.ts';
import type { QueueRow } from './row.ts';
import { migrations } from './tables/migrations.ts';
import { dueTargets, expireDeadlines, idleTargets, overdueIntents, takeSlots } from './tables/queue.ts';

let database: TestDatabase;
let pool: Pool;
let store: InMemoryEventStore;

beforeAll(async () => {
  database = await createDatabase();
  pool = openPool({ url: database.url, applicationName: 'test' });
  await migrate(pool, 'dispatcher', migrations);
});

beforeEach(async () => {
  await pool.query('truncate dispatcher.assignments, dispatcher.slots, dispatcher.revoked_devices');
  store = new InMemoryEventStore();
});

afterAll(async () => {
  await pool.end();
  await database.drop();
});

const apply = (events: readonly Event[]): Promise<QueueRow[]> =>
  transaction(pool, (tx) => applyBatch(tx, events, 60_000));
const now = () => new Date().toISOString();
const anHourAgo = () => Date.now() - 3_600_000;
const day = (offset: number) => new Date(Date.now() + offset * 86_400_000).toISOString();

/** Issues intents as the dispatcher would, and applies what the log then shows. */
const carryOut = async (rows: readonly QueueRow[]): Promise<QueueRow[]> => {
  const before = (await store.readAll(positionStart, 1000)).length;
  for (const row of rows) if (row.intent !== null) await issueIntent(store, row, row.intent, now());
  return apply((await store.readAll(positionStart, 1000)).slice(before).map(decodeEvent));
};

describe('the queue of a device', () => {
  it('gives a device one job at once: highest priority first, then first in, first out', async () => {
    const low = new Story(store, 'pi', anHourAgo());
    const first = new Story(store, 'pi', anHourAgo());
    const second = new Story(store, 'pi', anHourAgo());
    const events = [
      ...(await low.create({ priority: 1 })),
      ...(await first.create({ priority: 5 })),
      ...(await second.create({ priority: 5 })),
    ];
    const order: string[] = [];
    let intents = await apply(events);
    for (const expected of [first, second, low]) {
      expect(intents.map((row) => [row.jobId, row.intent])).toEqual([[expected.jobId, 'assign']]);
      expect(await carryOut(intents)).toEqual([]);
      order.push(expected.jobId);
      await expected.claim();
      intents = await apply(
        await expected.report('SUCCEEDED').then(async () => (await expected.all()).slice(-2)),
      );
    }
    const { rows } = await pool.query('select * from dispatcher.assignments');
    expect(rows).toEqual([]);
    expect((await pool.query('select * from dispatcher.slots')).rows).toEqual([]);
    expect(order).toHaveLength(3);
  });

  it('ends before it starts what is canceled while it waits, and lets the next one go', async () => {
    const first = new Story(store, 'pi', anHourAgo());
    const second = new Story(store, 'pi', anHourAgo());
    const intents = await apply([...(await first.create()), ...(await second.create())]);
    await carryOut(intents);
    const cancel = await apply(await first.requestCancel());
    expect(cancel).toMatchObject([{ jobId: first.jobId, intent: 'cancel' }]);
    expect(await carryOut(cancel)).toMatchObject([{ jobId: second.jobId, intent: 'assign' }]);
  });

  it('waits for notBefore and is then found by the loop', async () => {
    const story = new Story(store, 'pi', anHourAgo());
    expect(await apply(await story.create({ notBefore: day(1) }))).toEqual([]);
    expect(await dueTargets(pool)).toEqual([]);
    await pool.query(`update dispatcher.assignments set not_before = now() - interval '1 second'`);
    expect(await dueTargets(pool)).toEqual(['pi']);
    expect(await takeSlots(pool, ['pi'])).toMatchObject([{ jobId: story.jobId, intent: 'assign' }]);
    expect(await takeSlots(pool, ['pi'])).toEqual([]);
  });

  it('gives two dispatchers that take at once one slot', async () => {
    const stories = [new Story(store, 'pi', anHourAgo()), new Story(store, 'pi')];
    for (const story of stories) await apply(await story.create({ notBefore: day(1) }));
    await pool.query('update dispatcher.assignments set not_before = now()');
    const taken = await Promise.all(Array.from({ length: 8 }, () => takeSlots(pool, ['pi'])));
    expect(taken.flat()).toHaveLength(1);
  });

  it('keeps the slot of a second attempt that is being assigned when a cancel comes', async () => {
    const story = new Story(store, 'pi', anHourAgo());
    const other = new Story(store, 'pi', anHourAgo());
    const limits = { ...defaultLimits, maxAttempts: 2 };
    await carryOut(await apply([...(await story.create({ limits })), ...(await other.create())]));
    const again = await apply([...(await story.claim()), ...(await story.report('FAILED'))]);
    expect(again).toMatchObject([{ jobId: story.jobId, intent: 'assign', attempts: 1 }]);
    expect(await apply(await story.requestCancel())).toMatchObject([
      { jobId: story.jobId, intent: 'cancel' },
    ]);
  });

  it('can be built anew from the log: what is assigned holds its slot', async () => {
    const story = new Story(store, 'pi', anHourAgo());
    const other = new Story(store, 'pi', anHourAgo());
    await story.create();
    await other.create();
    await story.assign();
    expect(await apply(await story.all())).toEqual([]);
    expect((await pool.query('select assignment_id from dispatcher.slots')).rows).toHaveLength(1);
  });

  it('ends at once what is created for a device that was revoked a moment before', async () => {
    const story = new Story(store, 'pi', anHourAgo());
    const created = await story.create();
    const [event] = created;
    if (event === undefined) throw new Error('expected an event, got none');
    const data = { deviceId: 'pi', agentId: 'pi', reason: null };
    await apply([{ ...event, type: 'DeviceRevoked', data }]);
    const intents = await apply(created);
    expect(intents).toMatchObject([{ jobId: story.jobId, intent: 'revoke' }]);
    await carryOut(intents);
    expect((await story.all()).at(-1)).toMatchObject({
      data: { to: 'REJECTED', reason: { code: 'agent-revoked' } },
    });
  });

  it('finds devices that a crash left without a slot', async () => {
    const story = new Story(store, 'pi', anHourAgo());
    await apply(await story.create());
    await pool.query(`update dispatcher.assignments set intent = null; delete from dispatcher.slots`);
    expect(await idleTargets(pool)).toEqual(['pi']);
  });
});

describe('a parked event', () => {
  it('is processed by a re-drive, and its intent is found by the loop', async () => {
    const story = new Story(store, 'pi', anHourAgo());
    await story.create();
    const [recorded] = await store.readAll(positionStart, 1);
    if (recorded === undefined) throw new Error('expected an event, got none');
    const state = await openReaderState({ pool, schema: 'dispatcher', name: 'dispatcher' });
    await transaction(pool, (tx) => state.park(tx, recorded, 'not now'));
    expect(await parked(database.url, 10)).toMatchObject([{ reason: 'not now' }]);
    expect(await redrive(database.url, recorded.stream, {})).toEqual({ handled: 1, left: 0 });
    expect(await parked(database.url, 10)).toEqual([]);
    expect(await overdueIntents(pool, -1000)).toMatchObject([{ jobId: story.jobId, intent: 'assign' }]);
  });
});

describe('a parked claim', () => {
  it('is re-driven with the lease of the settings, by which its run deadline is counted', async () => {
    const deadlineWith = async (env: Record<string, string>): Promise<number> => {
      const story = new Story(store, undefined, anHourAgo());
      await apply(await story.create());
      await apply(await story.assign());
      await story.claim();
      const { stream } = story;
      const recorded = (await store.read(stream)).at(-1);
      if (recorded === undefined) throw new Error('expected a claim, got none');
      const state = await openReaderState({ pool, schema: 'dispatcher', name: 'dispatcher' });
      await transaction(pool, (tx) => state.park(tx, recorded, 'not now'));
      expect(await redrive(database.url, stream, env)).toEqual({ handled: 1, left: 0 });
      const { rows } = await pool.query<{ at: Date }>(
        'select run_deadline as at from dispatcher.assignments where job_id = $1',
        [story.jobId],
      );
      return (rows[0]?.at.getTime() ?? 0) - Date.parse(recorded.recordedAt);
    };
    const standard = await deadlineWith({});
    const difference = standard - (await deadlineWith({ SIGNALBOX_DEVICE_LEASE: '5s' }));
    // `recordedAt` has microseconds, of which `Date.parse` drops the part below a millisecond.
    expect(Math.abs(difference - 55_000)).toBeLessThanOrEqual(1);
    await expect(redrive(database.url, 'any', { SIGNALBOX_DEVICE_LEASE: 'soon' })).rejects.toThrow(
      'SIGNALBOX_DEVICE_LEASE',
    );
  });
});

describe('deadlines', () => {
  it('end what did not start within its queue timeout', async () => {
    const story = new Story(store, 'pi', anHourAgo());
    await carryOut(await apply(await story.create()));
    expect(await expireDeadlines(pool)).toEqual([]);
    await pool.query(`update dispatcher.assignments set queue_deadline = now() - interval '1 second'`);
    const due = await expireDeadlines(pool);
    expect(due).toMatchObject([{ intent: 'queue-timeout' }]);
    expect(await expireDeadlines(pool)).toEqual([]);
    await carryOut(due);
    expect((await story.all()).at(-1)).toMatchObject({
      data: { to: 'TIMED_OUT', reason: { code: 'queue-timeout' }, job: { status: 'TIMED_OUT' } },
    });
  });

  it('end an attempt whose agent does not report, and give it another while there are any', async () => {
    const story = new Story(store, 'pi', anHourAgo());
    const limits = {
      maxAttempts: 2,
      runTimeoutMs: 1000,
      queueTimeoutMs: 1000,
      killGraceMs: 0,
      lostAfterMs: 1000,
    };
    await carryOut(await apply(await story.create({ limits })));
    await apply(await story.claim());
    await pool.query(`update dispatcher.assignments set run_deadline = now() - interval '1 second'`);
    const again = await carryOut(await expireDeadlines(pool));
    expect((await story.all()).at(-1)).toMatchObject({
      data: { to: 'QUEUED', attemptEnd: { status: 'TIMED_OUT' } },
    });
    expect(again).toMatchObject([{ intent: 'assign', attempts: 1 }]);
  });

  it('end a lost attempt only while the log says that its lease has expired', async () => {
    const story = new Story(store, 'pi', anHourAgo());
    await carryOut(await apply(await story.create()));
    await apply(await story.claim());
    await apply(await story.expireLease());
    await pool.query(`update dispatcher.assignments set lost_deadline = now() - interval '1 second'`);
    const [lost] = await expireDeadlines(pool);
    const resumed = await story.resumeLease();
    expect(lost && (await carryOut([lost]))).toEqual([]);
    await apply(resumed);
    const { rows } = await pool.query('select phase, intent from dispatcher.assignments');
    expect(rows).toEqual([{ phase: 'running', intent: null }]);
  });

  it('issue again what the log does not show', async () => {
    const story = new Story(store, 'pi', anHourAgo());
    const issued = await apply(await story.create());
    expect(await overdueIntents(pool, 60_000)).toEqual([]);
    await pool.query(`update dispatcher.assignments set intent_at = now() - interval '1 minute'`);
    const overdue = await overdueIntents(pool, 1000);
    expect(overdue).toMatchObject([{ assignmentId: issued[0]?.assignmentId, intent: 'assign' }]);
    await carryOut([...issued, ...overdue]);
    expect((await story.all()).filter((event) => event.type === 'JobAssigned')).toHaveLength(1);
  });
});
