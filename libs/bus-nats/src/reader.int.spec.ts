import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { eventsStreamName, positionStart, type Position } from '@signalbox/contracts';
import { ack, park, ReaderOvertaken, retry, type Consumer } from '@signalbox/event-store';
import { InMemoryEventStore } from '@signalbox/event-store/testing';
import { eventually } from '@signalbox/testkit';
import { MemoryReaderState } from './memory-reader-state.ts';
import { encodeEvent } from './message.ts';
import { startReader } from './ordered-reader.ts';
import { StoreRestored } from './reader-session.ts';
import type { Reader, ReaderSetup } from './reader.ts';
import { startRelay, type Relay, type RelayOptions } from './relay.ts';
import { Opened, TestBus } from './testing/bus.ts';
import { allOf, appendEvents } from './testing/events.ts';
import { positionsOf, recorder, RowsState, type Rows } from './testing/rows-state.ts';

let bus: TestBus;
let opened: Opened;
let store: InMemoryEventStore;
let state: RowsState;

beforeEach(async () => {
  bus = await TestBus.start();
  opened = new Opened();
  store = new InMemoryEventStore();
  state = new RowsState();
});
afterEach(async () => {
  await opened.close();
  await bus.close();
});

const relay = async (options: RelayOptions = {}): Promise<Relay> => {
  const nc = await bus.connect('relay');
  opened.onClose(() => nc.close());
  return opened.add(startRelay({ nc, store, options: { pollMs: 5, ...options } }));
};

const reader = async (setup: Partial<ReaderSetup<Rows>> = {}): Promise<Reader> => {
  const nc = await bus.connect('reader');
  opened.onClose(() => nc.close());
  return opened.add(
    await startReader({
      name: 'spec',
      nc,
      store,
      state,
      consumers: [recorder],
      backOffMs: { first: 5, most: 50 },
      ...setup,
    }),
  );
};

/** Every event once, in order, and nothing else. */
const hasAll = async (): Promise<void> => {
  const log = positionsOf(await allOf(store));
  await eventually(() => state.rows.length >= log.length, { what: `${log.length} rows` });
  expect(positionsOf(state.rows)).toEqual(log);
};

const publishedAll = (): Promise<unknown> =>
  eventually(async () => (await store.published()) === (await store.head()), { what: 'all published' });

const parkOne = (target: Position, isHealed: () => boolean): Consumer<Rows> => ({
  type: '*',
  handler: (event, batch) => {
    void recorder.handler(event, batch);
    return event.position === target && !isHealed() ? park('not now') : ack;
  },
});

describe('reader', () => {
  it('reads what is there and follows, each event once and in order', async () => {
    await appendEvents(store, 450);
    await relay();
    await publishedAll();
    const follower = await reader();
    await follower.caughtUp;
    expect(state.rows).toHaveLength(450);
    await appendEvents(store, 300);
    await hasAll();
    expect(follower.position()).toBe(await store.head());
    expect(follower.status()).toMatchObject({
      activity: 'following',
      passed: 750,
      gaps: 1,
      foreign: 0,
      lagMs: 0,
    });
  });

  it('starts before relay and stream, and reads nothing that is not published', async () => {
    await appendEvents(store, 10);
    const follower = await reader();
    await eventually(() => follower.lagMs() > 0);
    expect(follower.status()).toMatchObject({ activity: 'waiting', passed: 0 });
    await relay();
    await hasAll();
    expect(await follower.waitFor(await store.head(), 1_000)).toBe(true);
    expect(await follower.waitFor('9999999999999999', 20)).toBe(false);
  });

  it('goes on where it stopped, in the middle', async () => {
    await relay();
    await appendEvents(store, 100);
    const first = await reader({ batchSize: 7 });
    await eventually(() => state.rows.length > 20);
    await first.stop();
    await appendEvents(store, 100);
    await reader();
    await hasAll();
  });

  it('reads behind the retention window from the store', async () => {
    let now = Date.now() - 7_200_000;
    store = new InMemoryEventStore({ now: () => now });
    await appendEvents(store, 500);
    now = Date.now();
    await appendEvents(store, 5);
    await relay({ maxAgeMs: 3_600_000 });
    await publishedAll();
    const { state: stream } = await bus.manager.streams.info(eventsStreamName);
    expect(stream.messages).toBe(5);
    await reader();
    await hasAll();
  });

  it('reads an aged-out stream up to the acknowledged position', async () => {
    await relay({ maxAgeMs: 200, duplicateWindowMs: 100 });
    await appendEvents(store, 40);
    await publishedAll();
    await eventually(async () => (await bus.manager.streams.info(eventsStreamName)).state.messages === 0);
    const follower = await reader();
    await follower.caughtUp;
    await hasAll();
    await appendEvents(store, 5);
    await hasAll();
  });

  it('repairs a gap from the store before it takes the event behind it', async () => {
    const follower = await reader();
    const first = await relay();
    await appendEvents(store, 10);
    await hasAll();
    await first.stop();
    await appendEvents(store, 10);
    const log = await allOf(store);
    const [last, before] = [log.at(-1), log.at(-2)];
    const { gaps } = follower.status();
    if (last === undefined || before === undefined) throw new Error('expected a log');
    const { subject, headers, body } = encodeEvent(last, before.position, store.storeId);
    bus.connection.publish(subject, body, { headers });
    await hasAll();
    expect(follower.status().gaps).toBe(gaps + 1);
    expect(follower.status().deliveries).toBe(1);
  });

  it('passes over foreign and malformed messages and counts them', async () => {
    const follower = await reader();
    await relay();
    await appendEvents(store, 5);
    await hasAll();
    const [event] = await allOf(store);
    if (event === undefined) throw new Error('expected an event');
    bus.connection.publish('events.Foreign.x', 'not ours');
    bus.connection.publish('events.Foreign.y');
    await eventually(() => follower.status().foreign === 2);
    await appendEvents(store, 5);
    await hasAll();
    const other = encodeEvent(
      { ...event, id: randomUUID(), position: '9000000000000000' },
      '8000000000000000',
      'another-store',
    );
    bus.connection.publish(other.subject, other.body, { headers: other.headers });
    await eventually(() => follower.status().foreign === 3);
    expect(follower.status()).toMatchObject({ foreign: 3, otherStore: 1, activity: 'following' });
  });

  it('starts at a stream whose last message is foreign', async () => {
    await relay();
    await appendEvents(store, 5);
    await publishedAll();
    bus.connection.publish('events.Foreign.x', 'not ours');
    await bus.connection.flush();
    await (
      await reader()
    ).caughtUp;
    await hasAll();
  });

  it('moves over types that nobody consumes', async () => {
    await relay();
    await appendEvents(store, 20);
    const follower = await reader({ consumers: [{ type: 'JobCreated', handler: recorder.handler }] });
    await eventually(async () => follower.position() === (await store.head()));
    expect(state.rows).toEqual([]);
  });
});

describe('reader and the bus', () => {
  it('reads nothing while nats-server is stopped, and all when it is back', async () => {
    const follower = await reader();
    await relay();
    await appendEvents(store, 20);
    await hasAll();
    await bus.nats.stop();
    await appendEvents(store, 30);
    await eventually(() => follower.lagMs() > 0);
    expect(state.rows).toHaveLength(20);
    expect(follower.status().activity).toBe('waiting');
    await bus.nats.start();
    await hasAll();
  });

  it('survives the kill of nats-server in the middle of a stream of events', async () => {
    await reader();
    await relay();
    for (let round = 0; round < 10; round += 1) {
      await appendEvents(store, 200);
      if (round === 4) {
        await eventually(() => state.rows.length > 0);
        await bus.nats.kill();
        await appendEvents(store, 50);
        await bus.nats.start();
      }
    }
    await hasAll();
  });

  it('survives a wipe while idle and while busy', async () => {
    const follower = await reader();
    await relay();
    await appendEvents(store, 50);
    await hasAll();
    await bus.wipe();
    const isBack = () => follower.status().deliveries > 1 && follower.status().activity === 'following';
    await eventually(isBack, { what: 'another delivery before silence tells', timeoutMs: 3_000 });
    await appendEvents(store, 500);
    await eventually(() => state.rows.length > 60);
    await bus.wipe();
    await appendEvents(store, 500);
    await hasAll();
    expect(follower.status().lagMs).toBe(0);
  });

  it('survives a wipe of the server’s disk', async () => {
    await reader();
    await relay();
    await appendEvents(store, 50);
    await hasAll();
    await bus.nats.wipe();
    await appendEvents(store, 50);
    await hasAll();
  });

  it('opens another delivery when its consumer is deleted', async () => {
    const follower = await reader();
    await relay();
    await appendEvents(store, 5);
    await hasAll();
    for await (const { name } of bus.manager.consumers.list(eventsStreamName)) {
      await bus.manager.consumers.delete(eventsStreamName, name);
    }
    await appendEvents(store, 5);
    await hasAll();
    expect(follower.status().deliveries).toBe(2);
  });

  it('takes more than the window of the flow control without loss', async () => {
    let isHeld = true;
    const slow: Consumer<Rows> = {
      type: '*',
      handler: (event, batch) => (isHeld ? retry(20) : recorder.handler(event, batch)),
    };
    const follower = await reader({ consumers: [slow] });
    await relay();
    await appendEvents(store, 400, undefined, 'x'.repeat(100_000));
    await publishedAll();
    isHeld = false;
    await hasAll();
    expect(follower.status().deliveries).toBe(1);
  });
});

describe('reader and its handlers', () => {
  it('lets nothing overtake an event that is retried', async () => {
    let refusals = 5;
    const consumer: Consumer<Rows> = {
      type: '*',
      handler: (event, batch) => {
        if (event.position.endsWith('5') && refusals-- > 0) return retry(10);
        return recorder.handler(event, batch);
      },
    };
    const follower = await reader({ consumers: [consumer] });
    await relay();
    await appendEvents(store, 40);
    await hasAll();
    expect(follower.status().retried).toBe(5);
  });

  it('parks an event; its aggregate waits, others go on, and a redrive brings all', async () => {
    let healed = false;
    const job = 'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa';
    await appendEvents(store, 3);
    const target = await appendEvents(store, 1, job);
    await appendEvents(store, 3);
    await appendEvents(store, 2, job);
    await relay();
    const follower = await reader({
      consumers: [parkOne(target, () => healed)],
    });
    await eventually(async () => follower.position() === (await store.head()));
    expect(state.rows).toHaveLength(6);
    expect(follower.status()).toMatchObject({ parked: 3, parkedStreams: 1 });
    expect((await follower.parked(10)).map(({ reason }) => reason)[0]).toBe('not now');
    healed = true;
    expect(await follower.redrive(`job-${job}`)).toEqual({ handled: 3, left: 0 });
    await appendEvents(store, 1, job);
    await eventually(() => state.rows.length === 10);
    expect(positionsOf(state.rows.filter((row) => row.stream === `job-${job}`))).toEqual(
      positionsOf(await store.read(`job-${job}`)),
    );
    expect(follower.status().parkedStreams).toBe(0);
  });

  it('stops when another reader of the name is active; the other one loses nothing', async () => {
    await relay();
    await appendEvents(store, 5);
    const stopped: Error[] = [];
    const on = { stopped: (error: Error) => stopped.push(error) };
    const [first, second] = [await reader({ on }), await reader({ on })];
    await appendEvents(store, 50);
    await eventually(() => stopped.length === 1);
    expect(await Promise.race([first.ended, second.ended])).toBeInstanceOf(ReaderOvertaken);
    await appendEvents(store, 5);
    await hasAll();
    expect(stopped).toHaveLength(1);
  });

  it('stops when the store has been restored to an earlier end', async () => {
    await relay();
    await appendEvents(store, 5);
    state = new RowsState('0000000000000009');
    const follower = await reader();
    expect(await follower.ended).toBeInstanceOf(StoreRestored);
    await expect(follower.caughtUp).rejects.toBeInstanceOf(StoreRestored);
  });

  it('takes nothing from the bus that a restored store does not hold', async () => {
    const publishing = await relay();
    await appendEvents(store, 20);
    await publishedAll();
    await publishing.stop();
    const older = new InMemoryEventStore({ storeId: store.storeId });
    for (const event of (await allOf(store)).slice(0, 15)) {
      await older.append(event.stream, event.streamVersion - 1, [event]);
    }
    store = older;
    state = new RowsState('0000000000000010');
    const follower = await reader();
    expect(await follower.ended).toBeInstanceOf(StoreRestored);
    expect(positionsOf(state.rows).every((position) => position <= '0000000000000015')).toBe(true);
  });

  it('folds into memory from a given position', async () => {
    await relay();
    await appendEvents(store, 10);
    const from = await store.head();
    await appendEvents(store, 300);
    await publishedAll();
    const seen: Position[] = [];
    const nc = await bus.connect('follower');
    opened.onClose(() => nc.close());
    const handler: Consumer<undefined>['handler'] = (event) => {
      seen.push(event.position);
      return ack;
    };
    const follower = opened.add(
      await startReader({
        name: 'follower',
        nc,
        store,
        state: new MemoryReaderState('follower', from),
        consumers: [{ type: '*', handler }],
      }),
    );
    await follower.caughtUp;
    await appendEvents(store, 10);
    await eventually(() => seen.length === 310);
    expect(seen).toEqual(positionsOf(await store.readAll(from, 1_000)));
    expect(from > positionStart).toBe(true);
  });
});
