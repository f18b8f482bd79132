import { formatPosition, positionStart, type RecordedEvent } from '@signalbox/contracts';
import { ReaderOvertaken, ack, park, retry } from '@signalbox/event-store';
import { createDatabase, eventually, newEvent, type TestDatabase } from '@signalbox/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import { openPool, openReaderState, type PostgresReaderState } from './index.ts';

describe('PostgresReaderState', () => {
  let database: TestDatabase;
  let pool: pg.Pool;
  let reader: PostgresReaderState;
  let count = 0;
  const at = formatPosition;

  beforeAll(async () => {
    database = await createDatabase();
    const url = `${database.url}?options=-c%20synchronous_commit%3Don`;
    pool = openPool({ url, applicationName: 'spec' });
    await pool.query('create table seen (what text primary key)');
  });
  beforeEach(async () => {
    await pool.query('truncate seen');
    reader = await openReaderState({ pool, schema: 'audit', name: `reader ${(count += 1)}` });
  });
  afterAll(async () => {
    await pool.end();
    await database.drop();
  });

  const again = (): Promise<PostgresReaderState> =>
    openReaderState({ pool, schema: 'audit', name: reader.name });
  const see = (tx: pg.PoolClient, what: string) => tx.query('insert into seen values ($1)', [what]);
  const seen = async (): Promise<readonly string[]> =>
    (await pool.query<{ what: string }>('select what from seen order by what')).rows.map(({ what }) => what);
  const recorded = (stream: string, position: number, body = '{}'): RecordedEvent => ({
    ...newEvent({ body }),
    stream,
    streamVersion: 1,
    position: at(position),
    recordedAt: '2026-01-31T12:00:00.000001Z',
  });
  const parkAll = (events: readonly RecordedEvent[], to: number) =>
    reader.commit(positionStart, async (tx) => {
      for (const event of events) await reader.park(tx, event, 'unreadable');
      return at(to);
    });

  it('begins at the start, and commits rows and position together', async () => {
    expect(await reader.position()).toBe(positionStart);
    await reader.commit(positionStart, async (tx) => {
      await see(tx, 'one');
      return at(7);
    });
    expect(await reader.position()).toBe(at(7));
    expect(await (await again()).position()).toBe(at(7));
    const failing = reader.commit(at(7), async (tx) => {
      await see(tx, 'two');
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect(await reader.position()).toBe(at(7));
    expect(await seen()).toEqual(['one']);
  });

  it('lets one of two active readers through, and the other do no work at all', async () => {
    const other = await again();
    const begun: string[] = [];
    const step = (one: PostgresReaderState, name: string, meanwhile = async (): Promise<void> => undefined) =>
      one.commit(positionStart, async (tx) => {
        begun.push(name);
        await see(tx, name);
        await meanwhile();
        return at(1);
      });
    const isWaiting = async (): Promise<boolean> => {
      const { rowCount } = await pool.query(
        `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      );
      return rowCount === 1;
    };
    let second: Promise<void> | undefined;
    await step(reader, 'a', async () => {
      second = step(other, 'b');
      await eventually(isWaiting);
    });
    await expect(second).rejects.toBeInstanceOf(ReaderOvertaken);
    expect(begun).toEqual(['a']);
    expect(await seen()).toEqual(['a']);
    await expect(step(reader, 'c')).rejects.toBeInstanceOf(ReaderOvertaken);
  });

  it.each([positionStart, 'nonsense'])('refuses to move back or to no position: %s', async (next) => {
    await reader.commit(positionStart, async () => at(5));
    await expect(reader.commit(at(5), async () => next)).rejects.toThrow('expected a position');
    expect(await reader.position()).toBe(at(5));
  });

  it('parks an event byte for byte with its reason, in order of position, for this reader alone', async () => {
    const body = '{ "a":1.50, "text":"\\u0000 ü \u{1F682}" }';
    const events = [recorded('job-b', 30), recorded('job-a', 4, body)];
    await parkAll(events, 30);
    expect(await reader.parked(10)).toEqual([
      { event: events[1], reason: 'unreadable', parkedAt: expect.any(String) },
      { event: events[0], reason: 'unreadable', parkedAt: expect.any(String) },
    ]);
    expect(await reader.parked(1)).toHaveLength(1);
    expect(await reader.parkedStreams()).toEqual(new Set(['job-a', 'job-b']));
    const other = await openReaderState({ pool, schema: 'audit', name: 'another' });
    expect(await other.parkedStreams()).toEqual(new Set());
  });

  it('re-drives one stream in order, up to the first event that is not handled, whose writes are undone', async () => {
    const events = [1, 2, 3, 4].map((position) => recorded('job-a', position));
    await parkAll([...events, recorded('job-b', 5)], 5);
    const drive = (verdictOf: (event: RecordedEvent) => ReturnType<typeof park>) =>
      reader.redrive('job-a', async (event, tx) => {
        await see(tx, event.position);
        return verdictOf(event);
      });
    expect(await drive((event) => (event.position === at(3) ? park('still not') : ack))).toEqual({
      handled: 2,
      left: 2,
    });
    expect(await seen()).toEqual([at(1), at(2)]);
    expect((await reader.parked(1))[0]?.reason).toBe('still not');
    expect(await drive(() => retry(5))).toEqual({ handled: 0, left: 2 });
    expect(await drive(() => ack)).toEqual({ handled: 2, left: 0 });
    expect(await reader.parkedStreams()).toEqual(new Set(['job-b']));
  });

  it('changes nothing when a re-driven handler throws', async () => {
    await parkAll([recorded('job-a', 1), recorded('job-a', 2)], 2);
    const thrown = reader.redrive('job-a', async (event, tx) => {
      await see(tx, event.position);
      if (event.position === at(2)) throw new Error('broken');
      return ack;
    });
    await expect(thrown).rejects.toThrow('broken');
    expect(await reader.parked(10)).toHaveLength(2);
    expect(await seen()).toEqual([]);
  });

  it('goes back to the beginning together with the rows it is rebuilt from', async () => {
    await parkAll([recorded('job-a', 1)], 9);
    await reader.reset(async (tx) => {
      await tx.query('truncate seen');
    });
    expect(await reader.position()).toBe(positionStart);
    expect(await reader.parkedStreams()).toEqual(new Set());
  });

  it('commits without waiting for the disk only where it was told so', async () => {
    const relaxed = await openReaderState({ pool, schema: 'audit', name: 'relaxed', durable: false });
    const settings: unknown[] = [];
    for (const one of [reader, relaxed]) {
      await one.commit(positionStart, async (tx) => {
        settings.push((await tx.query('show synchronous_commit')).rows[0]);
        return at(1);
      });
    }
    expect(settings).toEqual([
      { synchronous_commit: expect.not.stringMatching('off') },
      { synchronous_commit: 'off' },
    ]);
  });

  it('makes its tables once, whoever opens first', async () => {
    const opened = await Promise.all(
      Array.from({ length: 5 }, (_, n) => openReaderState({ pool, schema: 'fresh', name: `r${n % 2}` })),
    );
    expect(await Promise.all(opened.map((one) => one.position()))).toEqual(opened.map(() => positionStart));
  });
});
