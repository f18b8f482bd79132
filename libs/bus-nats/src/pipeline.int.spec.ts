import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { positionStart, type Position, type RecordedEvent } from '@signalbox/contracts';
import { InMemoryEventStore } from '@signalbox/event-store/testing';
import { eventually } from '@signalbox/testkit';
import { ensureEventsStream } from './events-stream.ts';
import { Pipeline } from './pipeline.ts';
import { TestBus } from './testing/bus.ts';
import { allOf, appendEvents } from './testing/events.ts';
import { positionsOf } from './testing/rows-state.ts';

let bus: TestBus;
let log: readonly RecordedEvent[];

beforeEach(async () => {
  bus = await TestBus.start();
  await ensureEventsStream(bus.manager, { duplicateWindowMs: 100 });
  const store = new InMemoryEventStore();
  await appendEvents(store, 20);
  log = await allOf(store);
});
afterEach(() => bus.close());

const pipeline = (lastSequence: number): Pipeline =>
  new Pipeline({
    connection: bus.connection,
    storeId: 'spec',
    lastSequence,
    onProgress: () => undefined,
  });

const publish = (into: Pipeline, from: number, to: number): void => {
  for (const event of log.slice(from, to)) into.publish(event, previousOf(event));
};

const previousOf = (event: RecordedEvent): Position => log[log.indexOf(event) - 1]?.position ?? positionStart;
const stored = async () => positionsOf((await bus.messages()).map(({ event }) => event));

/** Longer than the server knows the ids: only the fence is left. */
const idsForgotten = async (): Promise<void> => {
  const at = performance.now() + 300;
  await eventually(() => performance.now() > at);
};

describe('pipeline', () => {
  it('acknowledges in order and says how far', async () => {
    const first = pipeline(0);
    publish(first, 0, 20);
    await eventually(() => first.inFlight() === 0);
    expect(first.acknowledged()).toBe(log.at(-1)?.position);
    expect(first.lastSequence()).toBe(20);
    expect(first.failure()).toBeUndefined();
    expect(await stored()).toEqual(positionsOf(log));
  });

  it('neither repeats nor reorders when another one was faster', async () => {
    const late = pipeline(0);
    const fast = pipeline(0);
    publish(fast, 0, 10);
    await eventually(() => fast.inFlight() === 0);
    await idsForgotten();
    publish(late, 0, 20);
    await eventually(() => late.failure() !== undefined);
    expect(late.failure()?.reason).toContain('wrong last sequence');
    // What the other one had not sent yet continues it exactly, and so it is taken.
    await eventually(async () => (await stored()).length >= 20);
    expect(await stored()).toEqual(positionsOf(log));
  });

  it('stores nothing behind a foreign message that took the place of an event', async () => {
    const first = pipeline(0);
    publish(first, 0, 5);
    await eventually(() => first.inFlight() === 0);
    bus.connection.publish('events.Foreign.x', 'not ours');
    publish(first, 5, 20);
    await eventually(() => first.failure() !== undefined);
    await bus.connection.flush();
    expect(await stored()).toEqual(positionsOf(log.slice(0, 5)));
  });

  it('takes an answer that was lost for what it is: the same event at the same place', async () => {
    publish(pipeline(0), 0, 5);
    const again = pipeline(0);
    publish(again, 0, 5);
    await eventually(() => again.inFlight() === 0 || again.failure() !== undefined);
    expect(await stored()).toEqual(positionsOf(log.slice(0, 5)));
  });

  it('says that no stream took the message', async () => {
    await bus.wipe();
    const lost = pipeline(0);
    publish(lost, 0, 3);
    await eventually(() => lost.failure() !== undefined);
    expect(lost.failure()?.reason).toContain('no stream');
  });
});
