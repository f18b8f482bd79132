/**
 * How many events per second the relay publishes from a store in memory to JetStream on disk, and how many a reader takes
 * from there: while it follows, from the store after a start, and in a memory that folds one event at a time.
 *
 *     node bench/src/bus.ts [events]
 *
 * Starts a nats-server of its own and deletes its files at the end. Server, relay and readers share the machine.
 */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  connectBus,
  MemoryReaderState,
  startReader,
  startRelay,
  type NatsConnection,
  type Reader,
} from '@signalbox/bus-nats';
import { positionStart, type Position, type RecordedEvent } from '@signalbox/contracts';
import { findNatsServer, startNats } from '@signalbox/embedded';
import { ack, ReaderState, type Consumer } from '@signalbox/event-store';
import { ArrayStore } from './array-store.ts';

const count = Number(process.argv[2] ?? 100_000);

/** About the size of a `JobStatusChanged`. */
const newEvent = (jobId: string): Omit<RecordedEvent, 'position'> => ({
  stream: `assignment-${jobId}-worker-0`,
  streamVersion: 1,
  recordedAt: new Date().toISOString(),
  id: randomUUID(),
  type: 'JobStatusChanged',
  version: 1,
  occurredAt: new Date().toISOString(),
  actor: { type: 'service', id: 'bench' },
  correlationId: jobId,
  causationId: randomUUID(),
  body: JSON.stringify({
    jobId,
    from: 'SCHEDULED',
    to: 'IN_PROGRESS',
    reason: { code: 'claimed', message: 'claimed by the agent' },
    assignment: { id: `${jobId}-worker-0`, targetId: 'worker-0', agentId: 'process-0', attempt: 1 },
    result: null,
    attemptEnd: null,
    job: null,
  }),
});

/** Commits whole batches at no cost, so that the reader itself is measured. */
class CountingState extends ReaderState<undefined> {
  readonly name = 'counting';
  #position: Position = positionStart;
  async position(): Promise<Position> {
    return this.#position;
  }
  async commit(_expected: Position, work: (tx: undefined) => Promise<Position>): Promise<void> {
    this.#position = await work(undefined);
  }
  async parkedStreams(): Promise<ReadonlySet<string>> {
    return new Set();
  }
  async park(): Promise<void> {}
  async parked(): Promise<readonly []> {
    return [];
  }
  async redrive(): Promise<{ handled: number; left: number }> {
    return { handled: 0, left: 0 };
  }
}

const consumers: readonly Consumer<undefined>[] = [{ type: '*', handler: () => ack }];
const store = new ArrayStore();

const append = (): Position => {
  let position = positionStart;
  for (let index = 0; index < count; index += 1) position = store.add(newEvent(randomUUID()));
  return position;
};

const print = (what: string, events: number, tookMs: number, cpuMs: number): void => {
  const rate = ((events / tookMs) * 1000).toFixed(0).padStart(8);
  console.log(
    `${what.padEnd(44)} ${rate} events/s   ${((cpuMs / events) * 1000).toFixed(1)} µs of this process each`,
  );
};

const measure = async (what: string, work: () => Promise<void>): Promise<void> => {
  const cpu = process.cpuUsage();
  const from = performance.now();
  await work();
  const used = process.cpuUsage(cpu);
  print(what, count, performance.now() - from, (used.user + used.system) / 1000);
};

const reach = async (reader: Reader, position: Position): Promise<void> => {
  if (!(await reader.waitFor(position, 600_000)))
    throw new Error(`expected the reader at ${position}, got less`);
};

const run = async (nc: NatsConnection, readerConnection: NatsConnection): Promise<void> => {
  const first = append();
  let relay = startRelay({ nc, store });
  await measure('relay publishes', async () => {
    while (relay.status().published < count) await new Promise((resolve) => setTimeout(resolve, 5));
  });
  await relay.stop();
  const open = (state: ReaderState<undefined>, name: string) =>
    startReader({ name, nc: readerConnection, store, state, consumers });
  const reader = await open(new CountingState(), 'bench');
  await measure('reader starts, from the store', () => reach(reader, first));
  const second = append();
  relay = startRelay({ nc, store });
  await measure('relay publishes and reader follows', () => reach(reader, second));
  const follower = await open(new MemoryReaderState('memory', second), 'memory');
  await follower.caughtUp;
  const third = append();
  await measure('relay, reader and a follower in memory', async () => {
    await reach(reader, third);
    await reach(follower, third);
  });
  await Promise.all([reader.stop(), follower.stop(), relay.stop()]);
};

const folder = await mkdtemp(join(tmpdir(), 'signalbox-bench-'));
const cacheDir = join(import.meta.dirname, '../../.signalbox/cache');
const binary = await findNatsServer({ cacheDir, log: (line) => console.log(line) });
const server = await startNats({ binary, storeDir: join(folder, 'jetstream') });
try {
  const connections = [
    await connectBus({ url: server.url, name: 'relay' }),
    await connectBus({ url: server.url, name: 'reader' }),
  ] as const;
  await run(...connections);
  await Promise.all(connections.map((each) => each.close()));
} finally {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
}
