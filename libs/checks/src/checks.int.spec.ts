import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type NatsConnection, connectBus, startRelay } from '@signalbox/bus-nats';
import type { EventStore } from '@signalbox/event-store';
import { openPostgresEventStore } from '@signalbox/event-store-postgres';
import { jetstreamManager } from '@nats-io/jetstream';
import { ensureSchema, migrate, openLease, openPool, openReaderState } from '@signalbox/postgres';
import {
  type TestDatabase,
  type TestNats,
  createDatabase,
  eventually,
  newEvent,
  startTestNats,
} from '@signalbox/testkit';
import type pg from 'pg';
import {
  type Finding,
  type Look,
  busLook,
  leaseLook,
  postgresLooks,
  readerLooks,
  relayLook,
  schemaLook,
} from './index.ts';
import { clockLook } from './postgres.ts';
import { runAll } from './run.ts';

let database: TestDatabase;
let nats: TestNats;
let pool: pg.Pool;
let nc: NatsConnection;
let store: EventStore;

beforeAll(async () => {
  [database, nats] = await Promise.all([createDatabase(), startTestNats()]);
  pool = openPool({ url: database.url, applicationName: 'spec' });
  nc = await connectBus({ url: nats.url, name: 'spec' });
  store = await openPostgresEventStore({ pool });
});
afterAll(async () => {
  await nc.close();
  await pool.end();
  await Promise.all([database.drop(), nats.close()]);
});

const see = async (looks: readonly Look[], id: string): Promise<Finding> => {
  const found = (await runAll(looks)).find((each) => each.id === id);
  if (found === undefined) throw new Error(`expected a check ${id}, got none`);
  return found;
};
const wanted = { maxAgeMs: 86_400_000, replicas: 1 };
const stream = { name: 'EVENTS', subjects: ['events.>'] };

describe('the stream', () => {
  const config = (): Promise<Finding> => see([busLook(nc, wanted)], 'stream.config');

  it('is well as the relay makes it, and fails when somebody deletes or changes it', async () => {
    expect(await config()).toMatchObject({ status: 'fail', found: 'no stream' });
    const relay = startRelay({ nc, store });
    await eventually(async () => (await config()).status === 'ok');
    await relay.stop();

    const manager = await jetstreamManager(nc);
    const { config: made } = await manager.streams.info('EVENTS');
    for (const [change, named] of [
      [{ max_age: 60_000_000_000, duplicate_window: 60_000_000_000 }, 'max_age 86400000 ms'],
      [{ max_msgs: 5 }, 'max_msgs -1'],
      [{ subjects: ['events.>', 'others.>'] }, 'subjects'],
      [{ max_msg_size: 100 }, 'max_msg_size -1'],
      [{ discard: 'new' as const }, 'discard'],
    ] as const) {
      await manager.streams.update('EVENTS', change as Partial<typeof made>);
      const seen = await config();
      expect(seen).toMatchObject({ status: 'fail' });
      expect(seen.found).toContain(named);
      expect(seen.advice).toContain('relay');
      await manager.streams.update('EVENTS', made);
    }
    await manager.streams.delete('EVENTS');
    await manager.streams.add({ ...stream, storage: 'memory' });
    expect((await config()).found).toContain('storage "file", got "memory"');
    await manager.streams.delete('EVENTS');
  });

  it('has as many copies as wanted', async () => {
    await (await jetstreamManager(nc)).streams.add(stream);
    const look = busLook(nc, { ...wanted, replicas: 3 });
    expect(await see([look], 'stream.replicas')).toMatchObject({ status: 'fail', found: '1 of 3' });
    expect(await see([busLook(nc, wanted)], 'stream.replicas')).toMatchObject({ status: 'ok' });
    await (await jetstreamManager(nc)).streams.delete('EVENTS');
  });
});

describe('Postgres', () => {
  it('is new enough, and known to the byte', async () => {
    const found = await runAll(postgresLooks(pool));
    expect(found.map(({ id, status }) => `${id} ${status}`)).toEqual([
      'postgres.version ok',
      'postgres.size ok',
      'postgres.disk ok',
    ]);
    expect(found.at(-1)?.found).toMatch(/free \(\d+ %\)|another machine/);
  });

  it('says that a clock is off', async () => {
    const clock = (offMs: number): Promise<Finding> =>
      see([clockLook(pool, () => Date.now() + offMs)], 'clock.postgres');
    expect((await clock(0)).status).toBe('ok');
    expect(await clock(-700)).toMatchObject({ status: 'warn' });
    expect(await clock(90_000)).toMatchObject({ status: 'fail', found: '90 s ahead' });
  });

  it('says that a schema is behind, ahead or missing', async () => {
    const look = (): Promise<Finding> =>
      see([schemaLook(pool, { schema: 'spec', migrations: ['1', '2'] })], 'migrations.spec');
    expect(await look()).toMatchObject({ status: 'fail' });
    await ensureSchema(pool, 'spec');
    await migrate(pool, 'spec', [{ id: '1', sql: 'select 1' }]);
    expect(await look()).toMatchObject({ status: 'fail', found: 'missing: 2' });
    await migrate(pool, 'spec', [{ id: '2', sql: 'select 1' }]);
    expect(await look()).toMatchObject({ status: 'ok', advice: '' });
    await migrate(pool, 'spec', [{ id: '3', sql: 'select 1' }]);
    expect(await look()).toMatchObject({ status: 'warn', found: 'unknown to this release: 3' });
  });

  it('says who leads, and that nobody does', async () => {
    const look = (): Promise<Finding> => see([leaseLook(pool, 'spec')], 'lease.spec');
    const lease = await openLease({ pool, name: 'spec', holder: 'me' });
    expect(await look()).toMatchObject({ status: 'fail', found: 'nobody' });
    await lease.acquire();
    expect(await look()).toMatchObject({ status: 'ok', found: 'me' });
    await pool.query(`update signalbox.leases set until = now() - interval '8 seconds'`);
    expect((await look()).found).toMatch(/^nobody for 8/);
  });
});

describe('readers and relay', () => {
  it('are behind by the age of the oldest event that they have not had', async () => {
    let now = Date.now();
    const nowMs = (): number => now;
    const state = await openReaderState({ pool, schema: 'spec', name: 'spec-reader' });
    const looks = [...readerLooks({ state, store, nowMs, parkedAs: 'audit' }), relayLook(store, nowMs)];
    expect((await runAll(looks)).map(({ status }) => status)).toEqual(['ok', 'ok', 'ok']);

    const { position, events } = await store.append(`job-${randomUUID()}`, 0, [newEvent()]);
    now += 6_000;
    expect(await see(looks, 'reader.spec-reader.lag')).toMatchObject({ status: 'warn' });
    now += 60_000;
    expect(await see(looks, 'reader.spec-reader.lag')).toMatchObject({ status: 'fail' });
    expect(await see(looks, 'relay.lag')).toMatchObject({ status: 'fail' });
    await store.setPublished(position);
    expect(await see(looks, 'relay.lag')).toMatchObject({ status: 'ok' });

    const before = await state.position();
    await state.commit(before, async (tx) => {
      for (const event of events) await state.park(tx, event, 'it is of the future');
      return position;
    });
    expect(await see(looks, 'reader.spec-reader.lag')).toMatchObject({ status: 'ok' });
    const parked = await see(looks, 'reader.spec-reader.parked');
    expect(parked).toMatchObject({ status: 'fail' });
    expect(parked.found).toContain('it is of the future');
    expect(parked.advice).toContain('npm run parked -- audit redrive');
  });
});
