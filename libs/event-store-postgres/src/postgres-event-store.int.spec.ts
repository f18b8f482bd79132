import { positionStart, type RecordedEvent } from '@signalbox/contracts';
import { EventIdReused, VersionConflict, noStream } from '@signalbox/event-store';
import { eventStoreConformance } from '@signalbox/event-store/testing';
import { openPool, transaction } from '@signalbox/postgres';
import { createDatabase, eventually, newEvent, type TestDatabase } from '@signalbox/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import { openPostgresEventStore, type PostgresEventStore } from './index.ts';

eventStoreConformance('Postgres', async () => {
  const database = await createDatabase();
  const pools: pg.Pool[] = [];
  const another = () => {
    const pool = openPool({ url: database.url, applicationName: 'conformance' });
    pools.push(pool);
    return openPostgresEventStore({ pool });
  };
  return {
    store: await another(),
    another,
    close: async () => {
      await Promise.all(pools.map((pool) => pool.end()));
      await database.drop();
    },
  };
});

describe('event store in Postgres', () => {
  let database: TestDatabase;
  let pool: pg.Pool;
  let store: PostgresEventStore;
  let appended = 0;
  const others: pg.Pool[] = [];
  const held = new Set<() => Promise<void>>();
  let count = 0;

  const unique = (): string => `job-${(count += 1)}`;
  const openOther = (name: string, url = database.url): pg.Pool => {
    const other = openPool({ url, applicationName: name });
    others.push(other);
    return other;
  };
  const append = (stream = unique(), expected = noStream) => store.append(stream, expected, [newEvent()]);

  /** Holds the lock that every append takes, until `release`; appends called meanwhile wait and gather. */
  const holdAppends = async () => {
    const client = await openOther('holder').connect();
    const release = async (): Promise<void> => {
      held.delete(release);
      await client.query('commit');
      client.release();
    };
    held.add(release);
    await client.query('begin; select from events.store for update');
    return release;
  };
  const appendersWaiting = async (): Promise<number[]> => {
    const { rows } = await pool.query<{ pid: number }>(
      `select pid from pg_stat_activity
       where datname = current_database() and wait_event_type = 'Lock' and query like '%append(%'`,
    );
    return rows.map(({ pid }) => pid);
  };
  const oneWaits = () => eventually(async () => (await appendersWaiting()).length === 1 || null);

  beforeAll(async () => {
    database = await createDatabase();
    pool = openPool({ url: database.url, applicationName: 'spec' });
    store = await openPostgresEventStore({ pool, onAppended: () => (appended += 1) });
  });
  afterEach(async () => {
    await Promise.all([...held].map((release) => release()));
    await Promise.all(others.splice(0).map((other) => other.end()));
  });
  afterAll(async () => {
    await pool.end();
    await database.drop();
  });

  it('commits what arrives during an append as one batch, and refuses within it only what must be refused', async () => {
    const known = newEvent();
    const stream = unique();
    await store.append(stream, noStream, [known]);
    const release = await holdAppends();
    const first = append();
    await oneWaits();
    const wokenBefore = appended;
    const called = [
      ...Array.from({ length: 30 }, () => append()),
      append(stream, noStream),
      store.append(unique(), noStream, [newEvent(), known]),
      store.append(stream, noStream, [known]),
      ...Array.from({ length: 30 }, () => append()),
    ];
    await release();
    const settled = await Promise.allSettled([first, ...called]);

    const stored = settled.flatMap((one) =>
      one.status === 'fulfilled' && !one.value.repeated ? one.value.events : [],
    );
    const reasons: unknown[] = settled.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
    expect(stored).toHaveLength(61);
    expect(reasons).toEqual([expect.any(VersionConflict), expect.any(EventIdReused)]);
    const { rows } = await pool.query<{ events: number }>(
      `select count(*)::int as events from events.log where id = any($1) group by xmin::text order by 1`,
      [stored.map(({ id }) => id)],
    );
    expect(rows).toEqual([{ events: 1 }, { events: 60 }]);
    expect(appended - wokenBefore).toBe(2);
  });

  it('puts two appends to one stream, and two with one id, into different batches in the order of the calls', async () => {
    const stream = unique();
    const event = newEvent();
    const release = await holdAppends();
    const first = append();
    await oneWaits();
    const called = [
      append(stream, 0),
      append(stream, 1),
      append(stream, 2),
      store.append(unique(), noStream, [event]),
      store.append(unique(), noStream, [event]),
    ];
    await release();
    const settled = await Promise.allSettled([first, ...called]);
    expect(settled.map(({ status }) => status)).toEqual([...Array(5).fill('fulfilled'), 'rejected']);
    expect((await store.read(stream)).map(({ streamVersion }) => streamVersion)).toEqual([1, 2, 3]);
  });

  it('is read while a transaction is held open in the same database and in another of the cluster', async () => {
    const elsewhere = await createDatabase();
    const here = await openOther('holder').connect();
    const there = await openOther('holder', elsewhere.url).connect();
    for (const client of [here, there]) {
      await client.query('begin isolation level repeatable read');
      await client.query(
        'create table held (n int); insert into held values (1); select pg_current_xact_id()',
      );
    }
    const from = await store.head();
    const { position } = await append();
    expect((await store.readAll(from, 10)).map((event) => event.position)).toEqual([position]);
    expect(await store.head()).toBe(position);
    for (const client of [here, there]) {
      await client.query('rollback');
      client.release();
    }
    await Promise.all(others.splice(0).map((other) => other.end()));
    await elsewhere.drop();
  });

  it('keeps positions in commit order with three writers, seen by a reader that follows', async () => {
    const from = await store.head();
    const stores = await Promise.all(
      [1, 2, 3].map((n) => openPostgresEventStore({ pool: openOther(`writer ${n}`) })),
    );
    let writing = true;
    const writeAll = Promise.all(
      stores.flatMap((writer) =>
        Array.from({ length: 16 }, async () => {
          for (let n = 0; n < 20; n += 1) await writer.append(unique(), noStream, [newEvent(), newEvent()]);
        }),
      ),
    );
    const met: RecordedEvent[] = [];
    const readAll = (async () => {
      for (let done = false; ;) {
        const events = await store.readAll(met.at(-1)?.position ?? from, 50);
        met.push(...events);
        if (done && events.length === 0) return;
        done = !writing;
      }
    })();
    await writeAll.finally(() => (writing = false));
    await readAll;
    expect(met).toHaveLength(3 * 16 * 20 * 2);
    const { rows } = await pool.query<{ id: string }>(
      'select id from events.log where position > $1 order by position',
      [from],
    );
    expect(met.map(({ id }) => id)).toEqual(rows.map(({ id }) => id));
  });

  it.each([
    ['update', `update events.log set body = '{}'`],
    ['update that meets no row', `update events.log set body = '{}' where false`],
    ['delete', 'delete from events.log'],
    ['truncate', 'truncate events.log'],
    ['insert', 'insert into events.log select * from events.log limit 1'],
    ['delete in replica role', 'set local session_replication_role = replica; delete from events.log'],
  ])('refuses to change the log by %s, whoever asks', async (_, statement) => {
    await append();
    const before = await store.head();
    await expect(transaction(pool, (client) => client.query(statement))).rejects.toMatchObject({
      code: '42501',
    });
    expect(await store.head()).toBe(before);
  });

  it('leaves nothing half done when the connection is killed in the middle of an append', async () => {
    const stream = unique();
    const events = [newEvent(), newEvent(), newEvent()];
    const release = await holdAppends();
    const killed = expect(store.append(stream, noStream, events)).rejects.toThrow();
    await oneWaits();
    for (const pid of await appendersWaiting()) await pool.query('select pg_terminate_backend($1)', [pid]);
    await killed;
    await release();
    expect(await store.read(stream)).toEqual([]);
    expect(await store.append(stream, noStream, events)).toMatchObject({ version: 3, repeated: false });
  });

  it('waits for the disk although the session does not', async () => {
    const seen = await transaction(
      pool,
      async (client) => {
        const event = newEvent();
        const row = {
          n: 0,
          i: 0,
          stream: unique(),
          expected: 0,
          id: event.id,
          type: event.type,
          type_version: 1,
        };
        const who = { actor_type: 'service', actor_id: 'spec', correlation_id: 'c', body: event.body };
        const appends = JSON.stringify([{ ...row, ...who, occurred_at: event.occurredAt }]);
        await client.query('select * from events.append($1)', [appends]);
        return (await client.query<{ synchronous_commit: string }>('show synchronous_commit')).rows[0];
      },
      { durable: false },
    );
    expect(seen).toEqual({ synchronous_commit: 'on' });
  });

  it('keeps every look-up on an index, also before the tables were ever analysed', async () => {
    const young = await createDatabase();
    const only = openPool({ url: young.url, applicationName: 'young', max: 1 });
    const fresh = await openPostgresEventStore({ pool: only });
    const scans = async (): Promise<number> => {
      await only.query('select pg_stat_force_next_flush()');
      const { rows } = await only.query<{ scans: string }>(
        `select sum(seq_scan) as scans from pg_stat_user_tables where schemaname = 'events' and relname = 'log'`,
      );
      return Number(rows[0]?.scans);
    };
    const before = await scans();
    for (let n = 0; n < 10; n += 1) {
      const stream = unique();
      await Promise.all(
        [stream, unique(), unique()].map((name) => fresh.append(name, noStream, [newEvent()])),
      );
      await Promise.all([fresh.read(stream), fresh.readAll(positionStart, 2), fresh.head()]);
      await fresh.positionBefore(new Date().toISOString());
    }
    expect(await scans()).toBe(before);
    await only.query('select * from events.log');
    expect(await scans()).toBe(before + 1);
    await only.end();
    await young.drop();
  });

  it('is opened by several processes at once on an empty database, as one store', async () => {
    const empty = await createDatabase();
    const pools = Array.from({ length: 6 }, () => openOther('opener', empty.url));
    const stores = await Promise.all(pools.map((one) => openPostgresEventStore({ pool: one })));
    expect(new Set(stores.map(({ storeId }) => storeId)).size).toBe(1);
    expect(await stores[5]?.head()).toBe(positionStart);
    await Promise.all(others.splice(0).map((other) => other.end()));
    await empty.drop();
  });
});
