import { describe, expect, it } from '@jest/globals';
import { positionStart, type Event, type RecordedEvent } from '@signalbox/contracts';
import { ack, park, ReaderOvertaken, retry, type Consumer, type Handler } from '@signalbox/event-store';
import { InMemoryEventStore } from '@signalbox/event-store/testing';
import { newEvent } from '@signalbox/testkit';
import { BatchRunner } from './batch-runner.ts';
import { routesOf } from './handling.ts';
import { MemoryReaderState } from './memory-reader-state.ts';
import { redriveStream } from './redrive.ts';
import { allOf, appendEvents } from './testing/events.ts';
import { positionsOf, recorder, RowsState, type Rows } from './testing/rows-state.ts';
import { isTransient } from './transient.ts';

const write: Handler<Rows> = (event, { tx }) => {
  tx.rows.push(event);
  return ack;
};

const on = (type: string, handler: Handler<Rows>): readonly Consumer<Rows>[] => [{ type, handler }];

const open = async (state: RowsState, consumers: readonly Consumer<Rows>[]) => {
  const told = { errors: [] as unknown[], pauses: [] as number[], parked: [] as string[] };
  const runner = await BatchRunner.open({
    state,
    routes: routesOf(consumers),
    maxBatch: 100,
    maxAttempts: 5,
    backOffMs: { first: 100, most: 10_000 },
    isTransient,
    pause: async (ms) => void told.pauses.push(ms),
    isOver: () => false,
    on: {
      moved: () => undefined,
      error: (error) => told.errors.push(error),
      parked: (event, reason) => told.parked.push(`${event.stream} ${reason}`),
    },
  });
  return { runner, told };
};

const someEvents = async (count: number): Promise<readonly RecordedEvent[]> => {
  const store = new InMemoryEventStore();
  await appendEvents(store, count);
  return allOf(store);
};

/** Fails on one event, `times` times. */
const failingAt = (
  target: RecordedEvent | undefined,
  times: number,
  error = new Error('broken event'),
): Handler<Rows> => {
  let left = times;
  return (event, batch) => {
    void write(event, batch);
    if (event.id !== target?.id || left === 0) return ack;
    left -= 1;
    throw error;
  };
};

describe('a batch', () => {
  it('commits all rows and the position at once', async () => {
    const state = new RowsState();
    const { runner } = await open(state, [recorder]);
    const events = await someEvents(10);
    await runner.run(events);
    expect(positionsOf(state.rows)).toEqual(positionsOf(events));
    expect(state.commits).toEqual([10]);
    expect(runner.position()).toBe(events.at(-1)?.position);
  });

  it('moves over events that nobody wants without decoding them', async () => {
    const state = new RowsState();
    const { runner } = await open(state, on('JobCreated', write));
    const unreadable = (await someEvents(3)).map((event) => ({ ...event, body: 'no JSON' }));
    await runner.run(unreadable);
    expect(await state.position()).toBe(unreadable.at(-1)?.position);
    expect(state.asides).toEqual([]);
  });

  it('runs the hooks in order, before the position is written and after the commit', async () => {
    const state = new RowsState();
    const order: string[] = [];
    const { runner } = await open(
      state,
      on('*', (_event, batch) => {
        batch.beforeCommit('a', async () => void order.push(`before a at ${await state.position()}`));
        batch.beforeCommit('b', async () => void order.push('before b'));
        batch.afterCommit('c', () => order.push(`after at ${runner.position()}`));
        return ack;
      }),
    );
    const events = await someEvents(2);
    await runner.run(events);
    expect(order).toEqual([`before a at ${positionStart}`, 'before b', `after at ${events[1]?.position}`]);
  });
});

describe('retry', () => {
  it('commits what is before the event, waits, and lets nothing overtake', async () => {
    const state = new RowsState();
    const events = await someEvents(6);
    let left = 2;
    const { runner, told } = await open(
      state,
      on('*', (event, batch) => {
        void write(event, batch);
        return event.id === events[3]?.id && left-- > 0 ? retry(700) : ack;
      }),
    );
    await runner.run(events);
    expect(positionsOf(state.rows)).toEqual(positionsOf(events));
    expect(state.commits).toEqual([3, 3]);
    expect(told.pauses).toEqual([700]);
    expect(runner.counts().retried).toBe(2);
  });
});

describe('a handler that throws', () => {
  it('is replayed alone, and the batch keeps every row once', async () => {
    const state = new RowsState();
    const events = await someEvents(5);
    const { runner, told } = await open(state, on('*', failingAt(events[2], 3)));
    await runner.run(events);
    expect(positionsOf(state.rows)).toEqual(positionsOf(events));
    expect(state.commits).toEqual([1, 1, 1, 1, 1]);
    expect(told.pauses).toEqual([100, 200]);
  });

  it('has its event parked after five attempts, without the rows of the attempts', async () => {
    const state = new RowsState();
    const events = await someEvents(5);
    const { runner, told } = await open(state, on('*', failingAt(events[2], Infinity)));
    await runner.run(events);
    expect(positionsOf(state.rows)).toEqual(positionsOf(events.filter((event) => event !== events[2])));
    expect(state.asides.map(({ event, reason }) => [event.id, reason])).toEqual([
      [events[2]?.id, 'broken event'],
    ]);
    expect(told.pauses).toEqual([100, 200, 400, 800]);
  });

  it('throws in a hook: the same', async () => {
    const state = new RowsState();
    const events = await someEvents(3);
    const { runner } = await open(
      state,
      on('*', (event, batch) => {
        batch.beforeCommit('rows', async () => {
          if (event.id === events[0]?.id) throw new Error('broken row');
        });
        return write(event, batch);
      }),
    );
    await runner.run(events);
    expect(positionsOf(state.rows)).toEqual(positionsOf(events.slice(1)));
    expect(state.asides[0]?.reason).toBe('broken row');
  });

  it('throws because its connection is gone: never parked', async () => {
    const state = new RowsState();
    const events = await someEvents(2);
    const lost = Object.assign(new Error('connect refused'), { code: 'ECONNREFUSED' });
    const { runner } = await open(
      state,
      on('*', failingAt(events[1], 50, new Error('query failed', { cause: lost }))),
    );
    await runner.run(events);
    expect(positionsOf(state.rows)).toEqual(positionsOf(events));
    expect(state.asides).toEqual([]);
  });
});

describe('a commit that fails', () => {
  it('is repeated for ever', async () => {
    const state = new RowsState();
    const events = await someEvents(3);
    for (let n = 0; n < 20; n += 1) state.failures.push({ error: new Error('disk full'), when: 'before' });
    const { runner, told } = await open(state, [recorder]);
    await runner.run(events);
    expect(positionsOf(state.rows)).toEqual(positionsOf(events));
    expect(told.pauses.at(-1)).toBe(10_000);
  });

  it('but reached the database is not repeated', async () => {
    const state = new RowsState();
    const events = await someEvents(3);
    state.failures.push({ error: new Error('connection lost'), when: 'after' });
    const { runner } = await open(state, [recorder]);
    await runner.run(events);
    expect(positionsOf(state.rows)).toEqual(positionsOf(events));
    expect(runner.position()).toBe(events.at(-1)?.position);
  });

  it('because another reader is active ends the reader', async () => {
    const state = new RowsState();
    const events = await someEvents(3);
    const { runner } = await open(state, [recorder]);
    state.overtake('0000000000000002');
    await expect(runner.run(events)).rejects.toBeInstanceOf(ReaderOvertaken);
    expect(state.rows).toEqual([]);
  });
});

describe('park', () => {
  const jobA = 'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa';
  const jobB = 'bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb';
  const twoJobs = async () => {
    const store = new InMemoryEventStore();
    for (const job of [jobA, jobB, jobA, jobB]) await appendEvents(store, 1, job);
    return allOf(store);
  };
  const parkA = (event: Event, isHealed: () => boolean) =>
    event.correlationId === jobA && !isHealed() ? park('not now') : ack;

  it('makes later events of the aggregate wait, others go on, and a redrive brings them in order', async () => {
    const state = new RowsState();
    const events = await twoJobs();
    let healed = false;
    const consumers = on('*', (event, batch) => {
      void write(event, batch);
      return parkA(event, () => healed);
    });
    const { runner, told } = await open(state, consumers);
    await runner.run(events);
    expect(positionsOf(state.rows)).toEqual([events[1]?.position, events[3]?.position]);
    expect(told.parked).toEqual([`job-${jobA} not now`, `job-${jobA} follows a parked event of job-${jobA}`]);

    const redrive = () => redriveStream(state, routesOf(consumers), `job-${jobA}`, () => undefined);
    expect(await redrive()).toEqual({ handled: 0, left: 2 });
    healed = true;
    expect(await redrive()).toEqual({ handled: 2, left: 0 });
    expect(positionsOf(state.rows.slice(2))).toEqual([events[0]?.position, events[2]?.position]);
  });

  it('is over for a running reader when another process has re-driven the stream', async () => {
    const state = new RowsState();
    const events = await twoJobs();
    const healing = { isHealed: false };
    const consumers = on('*', (event, batch) => {
      void write(event, batch);
      return parkA(event, () => healing.isHealed);
    });
    const { runner } = await open(state, consumers);
    await runner.run(events.slice(0, 2));
    expect(runner.parkedStreams()).toEqual(new Set([`job-${jobA}`]));
    healing.isHealed = true;
    await redriveStream(state, routesOf(consumers), `job-${jobA}`, () => undefined);
    await runner.run(events.slice(2));
    expect(runner.parkedStreams().size).toBe(0);
    expect(state.asides).toEqual([]);
    expect(state.rows).toHaveLength(4);
  });

  it('takes an event of ours that cannot be decoded, with its aggregate', async () => {
    const state = new RowsState();
    const events = (await twoJobs()).map((event, index) => (index === 0 ? { ...event, version: 99 } : event));
    const { runner } = await open(state, [recorder]);
    await runner.run(events);
    expect(positionsOf(state.asides.map(({ event }) => event))).toEqual([
      events[0]?.position,
      events[2]?.position,
    ]);
    expect(positionsOf(state.rows)).toEqual([events[1]?.position, events[3]?.position]);
  });

  it('lasts over a restart', async () => {
    const state = new RowsState();
    const events = await twoJobs();
    const consumers = on('*', (event, batch) => (write(event, batch), parkA(event, () => false)));
    await (await open(state, consumers)).runner.run(events.slice(0, 2));
    await (await open(state, [recorder])).runner.run(events.slice(2));
    expect(state.asides).toHaveLength(2);
  });
});

describe('memory as state', () => {
  it('takes each event alone, since nothing can be rolled back', async () => {
    const seen: string[] = [];
    const state = new MemoryReaderState('follower', positionStart);
    const runner = await BatchRunner.open({
      state,
      routes: routesOf([
        {
          type: '*',
          handler: (event) => {
            seen.push(event.position);
            return ack;
          },
        },
      ]),
      maxBatch: 1,
      maxAttempts: 5,
      backOffMs: { first: 1, most: 1 },
      isTransient,
      pause: async () => undefined,
      isOver: () => false,
      on: { moved: () => undefined, error: () => undefined, parked: () => undefined },
    });
    const events = await someEvents(20);
    await runner.run(events);
    expect(seen).toEqual(positionsOf(events));
    expect(runner.counts().commits).toBe(20);
    await expect(state.commit(positionStart, async () => positionStart)).rejects.toBeInstanceOf(
      ReaderOvertaken,
    );
  });

  it('keeps parked events until they are driven again', async () => {
    const state = new MemoryReaderState('follower', positionStart);
    const [recorded] = await someEvents(1);
    if (recorded === undefined) throw new Error('expected an event, got none');
    await state.park(undefined, recorded, newEvent().id);
    expect(await state.parkedStreams()).toEqual(new Set([recorded.stream]));
    expect(await state.redrive(recorded.stream, async () => ack)).toEqual({ handled: 1, left: 0 });
    expect(await state.parked(10)).toEqual([]);
  });
});
