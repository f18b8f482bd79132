import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { eventsStreamName, positionStart, subjects } from '@signalbox/contracts';
import { InMemoryEventStore } from '@signalbox/event-store/testing';
import { eventually } from '@signalbox/testkit';
import { ensureEventsStream, StreamContradiction } from './events-stream.ts';
import { encodeEvent } from './message.ts';
import { startRelay, type Relay, type RelaySetup } from './relay.ts';
import { brokenLinks, Opened, TestBus } from './testing/bus.ts';
import { allOf, appendEvents } from './testing/events.ts';
import { positionsOf } from './testing/rows-state.ts';

let bus: TestBus;
let opened: Opened;
let store: InMemoryEventStore;
let errors: unknown[];

beforeEach(async () => {
  bus = await TestBus.start();
  opened = new Opened();
  store = new InMemoryEventStore();
  errors = [];
});
afterEach(async () => {
  await opened.close();
  await bus.close();
});

const relayOf = async (setup: Partial<RelaySetup> = {}): Promise<Relay> => {
  const nc = await bus.connect('relay');
  opened.onClose(() => nc.close());
  const on = { error: (error: unknown) => errors.push(error) };
  return opened.add(startRelay({ nc, store, on, ...setup }));
};

const published = async (count: number): Promise<void> => {
  await eventually(async () => (await bus.manager.streams.info(eventsStreamName)).state.messages === count, {
    what: `${count} messages in the stream`,
  });
};

const expectWholeLog = async (): Promise<void> => {
  const messages = await bus.messages();
  expect(messages.map(({ event }) => event)).toEqual(await allOf(store));
  expect(brokenLinks(messages)).toEqual([]);
};

describe('relay', () => {
  it('publishes every event in order with the position before it, and notes how far', async () => {
    await appendEvents(store, 700);
    const relay = await relayOf();
    await published(700);
    await appendEvents(store, 20);
    await published(720);
    await expectWholeLog();
    await eventually(async () => (await store.published()) === (await store.head()));
    expect(relay.status()).toMatchObject({ state: 'publishing', published: 720, inFlight: 0, checks: 1 });
    expect(errors).toEqual([]);
  });

  it('is woken before its poll', async () => {
    const relay = await relayOf({ options: { pollMs: 60_000 } });
    await eventually(() => relay.status().state === 'publishing');
    await bus.connection.flush();
    const since = performance.now();
    await appendEvents(store, 1);
    bus.connection.publish(subjects.relayWake);
    await published(1);
    expect(performance.now() - since).toBeLessThan(5_000);
  });

  it('resumes after the last message without repeating, long after the server has forgotten the ids', async () => {
    const options = { duplicateWindowMs: 100 };
    await appendEvents(store, 50);
    const first = await relayOf({ options });
    await published(50);
    await first.stop();
    await appendEvents(store, 50);
    const forgottenAt = performance.now() + 300;
    await eventually(() => performance.now() > forgottenAt);
    await relayOf({ options });
    await published(100);
    await expectWholeLog();
  });

  it('neither reorders nor repeats when two run at once', async () => {
    const options = { batchSize: 7, maxInFlight: 20, duplicateWindowMs: 100, pollMs: 5 };
    const relays = [await relayOf({ options }), await relayOf({ options })];
    for (let round = 0; round < 40; round += 1) {
      await appendEvents(store, 25);
      bus.connection.publish(subjects.relayWake);
      await bus.connection.flush();
    }
    await eventually(async () => (await store.published()) === (await store.head()));
    await expectWholeLog();
    expect(relays.map((relay) => relay.status().state)).toEqual(['publishing', 'publishing']);
  });

  it('does nothing without the lease', async () => {
    let isHeld = false;
    let asked = 0;
    const stillHeld = (): boolean => {
      asked += 1;
      return isHeld;
    };
    const relay = await relayOf({ lease: { stillHeld }, options: { pollMs: 5 } });
    const askedMore = async (): Promise<void> => {
      const before = asked;
      await eventually(() => asked > before + 10);
    };
    await appendEvents(store, 3);
    await askedMore();
    expect(relay.status()).toMatchObject({ state: 'waiting', checks: 0 });
    isHeld = true;
    await published(3);
    isHeld = false;
    await eventually(() => relay.status().state === 'waiting');
    await appendEvents(store, 3);
    await askedMore();
    expect((await bus.manager.streams.info(eventsStreamName)).state.messages).toBe(3);
  });

  it('goes on after a foreign message in the stream', async () => {
    await relayOf();
    await appendEvents(store, 5);
    await published(5);
    bus.connection.publish('events.Foreign.x', 'not ours');
    await appendEvents(store, 5);
    await published(11);
    await expectWholeLog();
  });

  it('starts behind a foreign message', async () => {
    const first = await relayOf();
    await appendEvents(store, 5);
    await published(5);
    await first.stop();
    bus.connection.publish('events.Foreign.x', 'not ours');
    await published(6);
    await appendEvents(store, 5);
    await relayOf();
    await published(11);
    await expectWholeLog();
  });

  it('goes on behind an event of another store', async () => {
    const first = await relayOf();
    await appendEvents(store, 5);
    await published(5);
    const [event] = await allOf(store);
    if (event === undefined) throw new Error('expected an event, got none');
    const publishOther = (): void => {
      const stored = { ...event, id: randomUUID(), position: '9000000000000000' };
      const { subject, body, headers } = encodeEvent(stored, '8000000000000000', 'another-store');
      bus.connection.publish(subject, body, { headers });
    };
    publishOther();
    await published(6);
    await appendEvents(store, 5);
    await published(11);
    await first.stop();
    publishOther();
    await published(12);
    await appendEvents(store, 5);
    const second = await relayOf();
    await eventually(async () => (await store.published()) === (await store.head()));
    expect([first, second].map((each) => each.status().halted)).toEqual([undefined, undefined]);
  });
});

describe('relay, when the stream is wiped', () => {
  it('refills it while idle, without a new event', async () => {
    await relayOf();
    await appendEvents(store, 30);
    await published(30);
    await bus.wipe();
    await published(30);
    await expectWholeLog();
  });

  it('refills it while busy', async () => {
    await relayOf({ options: { batchSize: 50 } });
    for (let round = 0; round < 20; round += 1) {
      await appendEvents(store, 100);
      bus.connection.publish(subjects.relayWake);
      if (round === 10) {
        await eventually(async () => (await bus.manager.streams.info(eventsStreamName)).state.messages > 0);
        await bus.wipe();
      }
    }
    await published(2_000);
    await expectWholeLog();
  });

  it('refills it when the server comes back with an empty disk', async () => {
    await relayOf();
    await appendEvents(store, 30);
    await published(30);
    await bus.nats.wipe();
    await appendEvents(store, 5);
    await published(35);
    await expectWholeLog();
  });

  it('refills no more than the window', async () => {
    let now = Date.now() - 3_600_000;
    store = new InMemoryEventStore({ now: () => now });
    const before = await appendEvents(store, 10);
    now = Date.now();
    await appendEvents(store, 10);
    await relayOf({ options: { maxAgeMs: 600_000 } });
    await published(10);
    const messages = await bus.messages();
    expect(brokenLinks(messages, before)).toEqual([]);
    expect((await store.published()) >= before).toBe(true);
  });

  it('does not refill what has aged out: it resumes from the acknowledged position', async () => {
    const options = { maxAgeMs: 400, duplicateWindowMs: 100 };
    const first = await relayOf({ options });
    const aged = await appendEvents(store, 10);
    await eventually(async () => (await store.published()) === aged);
    await first.stop();
    await published(0);
    await appendEvents(store, 5);
    const second = await relayOf({ options });
    await eventually(async () => (await store.published()) === (await store.head()));
    expect(second.status()).toMatchObject({ published: 5 });
    expect((await bus.manager.streams.info(eventsStreamName)).state.last_seq).toBe(15);
  });

  it('does not refill what was purged, and goes on', async () => {
    await relayOf();
    await appendEvents(store, 10);
    await published(10);
    await bus.manager.streams.purge(eventsStreamName);
    await appendEvents(store, 3);
    await published(3);
    expect(positionsOf((await bus.messages()).map(({ event }) => event))).toEqual(
      positionsOf(await allOf(store)).slice(10),
    );
  });

  it('passes over what the server knows already after its last messages were deleted', async () => {
    const first = await relayOf();
    await appendEvents(store, 10);
    await published(10);
    await first.stop();
    for (const sequence of [9, 10]) await bus.manager.streams.deleteMessage(eventsStreamName, sequence);
    await relayOf();
    await appendEvents(store, 3);
    await eventually(async () => (await store.published()) === (await store.head()));
    const messages = await bus.messages();
    expect(messages.at(-1)?.event.position).toBe(await store.head());
    expect(new Set(positionsOf(messages.map(({ event }) => event))).size).toBe(messages.length);
  });
});

describe('relay, when the store is not the one of the stream', () => {
  const restored = async (keep: number) => {
    const older = new InMemoryEventStore({ storeId: store.storeId });
    for (const event of (await allOf(store)).slice(0, keep)) {
      await older.append(event.stream, event.streamVersion - 1, [event]);
    }
    await older.setPublished(await older.head());
    return older;
  };

  it('stops and says that it was restored, publishes nothing, and goes on once the stream is removed', async () => {
    const first = await relayOf();
    await appendEvents(store, 20);
    await published(20);
    await first.stop();
    store = await restored(15);
    await appendEvents(store, 10);
    const relay = await relayOf({ options: { idleCheckMs: 50 } });
    await eventually(() => relay.status().state === 'halted');
    expect(relay.status().halted).toMatchObject({ reason: 'store-restored' });
    expect(relay.status().halted?.detail).toContain('restored');
    await eventually(() => relay.status().checks > 3);
    expect((await bus.manager.streams.info(eventsStreamName)).state.messages).toBe(20);
    await bus.wipe();
    await published(25);
    await expectWholeLog();
    expect(relay.status()).toMatchObject({ state: 'publishing', halted: undefined });
  });

  it('stops before the store has grown past the lost events, too', async () => {
    const first = await relayOf();
    await appendEvents(store, 20);
    await published(20);
    await first.stop();
    store = await restored(15);
    const relay = await relayOf();
    await eventually(() => relay.status().halted?.reason === 'store-restored');
  });

  it('stops at the stream of another store', async () => {
    const first = await relayOf();
    await appendEvents(store, 5);
    await published(5);
    await first.stop();
    store = new InMemoryEventStore();
    await appendEvents(store, 9);
    const relay = await relayOf();
    await eventually(() => relay.status().halted?.reason === 'other-store');
  });
});

describe('the events stream', () => {
  it('is made with the wanted settings, and brought to new ones where that is harmless', async () => {
    const made = await ensureEventsStream(bus.manager, { maxAgeMs: 60_000 });
    expect(made.config).toMatchObject({
      max_msgs: -1,
      storage: 'file',
      max_age: 60_000 * 1e6,
      duplicate_window: 6e10,
    });
    const longer = await ensureEventsStream(bus.manager, { maxAgeMs: 120_000 });
    expect(longer.created).toBe(made.created);
    expect(longer.config).toMatchObject({ max_age: 120_000 * 1e6 });
  });

  it('is refused when it is another one, with every difference named', async () => {
    await bus.manager.streams.add({ name: eventsStreamName, subjects: [subjects.allEvents], max_msgs: 10 });
    const refused = ensureEventsStream(bus.manager);
    await expect(refused).rejects.toBeInstanceOf(StreamContradiction);
    await expect(refused).rejects.toThrow('expected max_msgs -1, got 10');
    const relay = await relayOf();
    await eventually(() => errors.some((error) => error instanceof StreamContradiction));
    expect(relay.status().position ?? positionStart).toBe(positionStart);
  });
});
