import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { NestFactory } from '@nestjs/core';
import { Module } from '@nestjs/common';
import { positionStart } from '@signalbox/contracts';
import { ack, type LeaseRow } from '@signalbox/event-store';
import { InMemoryEventStore } from '@signalbox/event-store/testing';
import { lead, openLease, openPool, openReaderState, type PostgresReaderState } from '@signalbox/postgres';
import { createDatabase, eventually, type TestDatabase } from '@signalbox/testkit';
import { startRelay } from './relay.ts';
import { Opened, TestBus } from './testing/bus.ts';
import { allOf, appendEvents } from './testing/events.ts';
import { positionsOf } from './testing/rows-state.ts';
import { EventsTransport, type EventsTransportOptions } from './transport.ts';

type Pool = ReturnType<typeof openPool>;
type Tx = Parameters<Parameters<PostgresReaderState['commit']>[1]>[0];

let bus: TestBus;
let opened: Opened;
let store: InMemoryEventStore;
let database: TestDatabase;
let pool: Pool;

beforeEach(async () => {
  bus = await TestBus.start();
  opened = new Opened();
  store = new InMemoryEventStore();
  database = await createDatabase();
  pool = openPool({ url: database.url, applicationName: 'spec' });
  const nc = await bus.connect('relay');
  opened.onClose(() => nc.close());
  opened.add(startRelay({ nc, store, options: { pollMs: 5 } }));
  await pool.query('create table seen (position text primary key)');
});
afterEach(async () => {
  await opened.close();
  await pool.end();
  await database.drop();
  await bus.close();
});

const seen = async (): Promise<readonly string[]> => {
  const { rows } = await pool.query<{ position: string }>('select position from seen order by position');
  return rows.map(({ position }) => position);
};

const hasAll = async (): Promise<void> => {
  const log = positionsOf(await allOf(store));
  await eventually(async () => (await seen()).length >= log.length, { what: `${log.length} rows` });
  expect(await seen()).toEqual(log);
};

const transport = async (extra: Partial<EventsTransportOptions<Tx>> = {}): Promise<EventsTransport<Tx>> => {
  const nc = await bus.connect('reader');
  opened.onClose(() => nc.close());
  const state = await openReaderState({ pool, schema: 'spec', name: 'rows' });
  return new EventsTransport<Tx>({
    name: 'rows',
    nc,
    store,
    state,
    consumers: [
      {
        type: 'JobCancelRequested',
        handler: async (event, { tx }) => {
          await tx.query('insert into seen values ($1)', [event.position]);
          return ack;
        },
      },
    ],
    ...extra,
  });
};

/** Starts a Nest application with the transport, as a service does. */
const application = async (strategy: EventsTransport<Tx>) => {
  class AppModule {}
  Module({})(AppModule);
  const app = await NestFactory.createMicroservice(AppModule, { strategy, logger: false });
  opened.onClose(() => app.close());
  await app.listen();
  return app;
};

describe('transport in a Nest application, rows in Postgres', () => {
  it('registers the visible list and hands every event to it, once', async () => {
    const strategy = await transport();
    expect([...strategy.getHandlers().keys()]).toEqual(['JobCancelRequested']);
    await application(strategy);
    await appendEvents(store, 300);
    await hasAll();
    expect(strategy.reader()?.status()).toMatchObject({ activity: 'following', passed: 300 });
  });

  it('stops with the application, and goes on with the next one', async () => {
    const strategy = await transport();
    const app = await application(strategy);
    await appendEvents(store, 10);
    await hasAll();
    await app.close();
    expect(strategy.reader()).toBeUndefined();
    await appendEvents(store, 10);
    await application(await transport());
    await hasAll();
  });

  it('runs in the replica that leads, and another takes over', async () => {
    const run = (lease: LeaseRow): NonNullable<EventsTransportOptions<Tx>['run']> => {
      return (start) =>
        lead({ lease, onLead: (term) => start((error) => term.fail(error)), onError: () => undefined });
    };
    const newLease = () => openLease({ pool, name: 'rows', lifeMs: 1_000 });
    const first = await transport({ run: run(await newLease()) });
    const app = await application(first);
    await eventually(() => first.reader() !== undefined);
    const second = await transport({ run: run(await newLease()) });
    await application(second);
    await appendEvents(store, 20);
    await hasAll();
    expect(second.reader()).toBeUndefined();
    await app.close();
    await eventually(() => second.reader() !== undefined);
    await appendEvents(store, 20);
    await hasAll();
  });

  it('survives the loss of its database connections without losing or repeating a row', async () => {
    await application(await transport({ backOffMs: { first: 5, most: 20 } }));
    for (let round = 0; round < 5; round += 1) {
      await appendEvents(store, 100);
      await eventually(async () => (await seen()).length > round * 100);
      await bus.connection.flush();
      await pool
        .query(
          'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
        )
        .catch(() => undefined);
    }
    await hasAll();
    expect((await allOf(store))[0]?.position).not.toBe(positionStart);
  });
});
