/**
 * How many single-event appends per second the Postgres store takes with 1, 16 and 128 in flight, each waiting for the
 * disk, and how long one takes. Then stream reads with 128 in flight, and the cost of `positionBefore`.
 *
 *     node bench/src/append.ts [postgres://…]
 *
 * Without a URL it starts a durable cluster of its own and deletes it at the end. With one, it appends to the store there.
 */
import { randomUUID } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NewEvent } from '@signalbox/contracts';
import { startPostgres } from '@signalbox/embedded';
import { noStream } from '@signalbox/event-store';
import { openPostgresEventStore, type PostgresEventStore } from '@signalbox/event-store-postgres';
import { openPool } from '@signalbox/postgres';

const runMs = 4_000;

/** About the size of a `JobStatusChanged`. */
const body = JSON.stringify({
  from: 'SCHEDULED',
  to: 'IN_PROGRESS',
  reason: { code: 'claimed', message: 'claimed by the agent' },
  assignment: { id: randomUUID(), targetId: 'worker-0', agentId: 'process-0', attempt: 1 },
  padding: 'x'.repeat(120),
});

const newEvent = (jobId: string): NewEvent => ({
  id: randomUUID(),
  type: 'JobStatusChanged',
  version: 1,
  occurredAt: new Date().toISOString(),
  actor: { type: 'service', id: 'bench' },
  correlationId: jobId,
  causationId: randomUUID(),
  body,
});

interface Measured {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Keeps `inFlight` calls going for a while, after a short run that is not counted. */
const measure = async (inFlight: number, call: () => Promise<unknown>): Promise<Measured> => {
  const runFor = async (ms: number): Promise<readonly number[]> => {
    const end = performance.now() + ms;
    const tookMs: number[] = [];
    const one = async (): Promise<void> => {
      while (performance.now() < end) {
        const from = performance.now();
        await call();
        tookMs.push(performance.now() - from);
      }
    };
    await Promise.all(Array.from({ length: inFlight }, one));
    return tookMs.sort((a, b) => a - b);
  };
  await runFor(runMs / 4);
  const tookMs = await runFor(runMs);
  const at = (share: number): number => tookMs[Math.floor(tookMs.length * share)] ?? 0;
  return { perSecond: (tookMs.length / runMs) * 1000, p50Ms: at(0.5), p99Ms: at(0.99) };
};

const print = (what: string, { perSecond, p50Ms, p99Ms }: Measured): void => {
  const rate = perSecond.toFixed(0).padStart(7);
  console.log(`${what.padEnd(34)} ${rate}/s   p50 ${p50Ms.toFixed(2)} ms   p99 ${p99Ms.toFixed(2)} ms`);
};

const run = async (store: PostgresEventStore): Promise<void> => {
  const streams: string[] = [];
  const append = async (): Promise<void> => {
    const jobId = randomUUID();
    const stream = `assignment-${jobId}-worker-0`;
    await store.append(stream, noStream, [newEvent(jobId)]);
    streams.push(stream);
  };
  for (const inFlight of [1, 16, 128])
    print(`append, ${inFlight} in flight`, await measure(inFlight, append));
  const read = () => store.read(streams[Math.floor(Math.random() * streams.length)] ?? '');
  for (const inFlight of [1, 128])
    print(`read a stream, ${inFlight} in flight`, await measure(inFlight, read));
  const before = () => store.positionBefore(new Date(Date.now() - Math.random() * 20_000).toISOString());
  print('positionBefore, 1 in flight', await measure(1, before));
  console.log(`events in the log: ${Number(await store.head())}`);
};

const withStore = async (url: string): Promise<void> => {
  const pool = openPool({ url, applicationName: 'bench' });
  try {
    const { rows } = await pool.query<{ fsync: string; wal: string }>(
      `select current_setting('fsync') as fsync, current_setting('synchronous_commit') as wal`,
    );
    console.log(`fsync ${rows[0]?.fsync}, synchronous_commit ${rows[0]?.wal}`);
    await run(await openPostgresEventStore({ pool }));
  } finally {
    await pool.end();
  }
};

const given = process.argv[2];
if (given === undefined) {
  const folder = await mkdtemp(join(tmpdir(), 'signalbox-bench-'));
  await chmod(folder, 0o755);
  const server = await startPostgres({ dataDir: join(folder, 'postgres') });
  await withStore(server.url).finally(() => server.destroy());
  await rm(folder, { recursive: true, force: true });
} else {
  await withStore(given);
}
