/** What the machine gives without us: the figures that the pipeline is compared with. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type NatsConnection, connectBus } from '@signalbox/bus-nats';
import type { NewEvent } from '@signalbox/contracts';
import { findNatsServer, startNats } from '@signalbox/embedded';
import { noStream } from '@signalbox/event-store';
import { openPostgresEventStore } from '@signalbox/event-store-postgres';
import { openPool } from '@signalbox/postgres';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { Client } from 'pg';
import { type AuditRow, createAuditTable, insertAuditRows } from './audit-table.ts';
import { inParallel } from './measure.ts';

const body = JSON.stringify({ from: 'SCHEDULED', to: 'IN_PROGRESS', padding: 'x'.repeat(240) });
const count = 8_000;
const inserts = 50_000;
const numbers = Array.from({ length: count }, (_, index) => index);
const perSecond = (amount: number, begun: number): number => (amount / (performance.now() - begun)) * 1000;

const newEvent = (): NewEvent => ({
  id: randomUUID(),
  type: 'JobStatusChanged',
  version: 1,
  occurredAt: new Date().toISOString(),
  actor: { type: 'service', id: 'bench' },
  correlationId: randomUUID(),
  causationId: null,
  body,
});

/** Events per second into a store of its own database, each waiting for the disk. */
export const storeAppends = async (databaseUrl: string, inFlight: number): Promise<number> => {
  const url = await ownDatabase(databaseUrl);
  const pool = openPool({ url, applicationName: 'bench' });
  const store = await openPostgresEventStore({ pool });
  const append = () => store.append(`job-${randomUUID()}`, noStream, [newEvent()]);
  await inParallel(inFlight, numbers.slice(0, 500), append);
  const begun = performance.now();
  await inParallel(inFlight, numbers, append);
  const result = perSecond(count, begun);
  await pool.end();
  return result;
};

/** Does work on stream `BENCH` (`bench.>`), in files of a server of its own. */
export const withStream = async <T>(work: (nc: NatsConnection) => Promise<T>): Promise<T> => {
  const folder = await mkdtemp(join(tmpdir(), 'signalbox-bench-'));
  const cacheDir = join(import.meta.dirname, '../../.signalbox/cache');
  const binary = await findNatsServer({ cacheDir, log: (line) => console.log(line) });
  const server = await startNats({ binary, storeDir: join(folder, 'jetstream') });
  try {
    const nc = await connectBus({ url: server.url, name: 'bench' });
    const manager = await jetstreamManager(nc);
    await manager.streams.add({ name: 'BENCH', subjects: ['bench.>'] });
    const result = await work(nc);
    await nc.close();
    return result;
  } finally {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
};

/** Messages per second into a file stream, each acknowledged. */
export const streamPublishes = (): Promise<number> =>
  withStream(async (nc) => {
    const js = jetstream(nc);
    const begun = performance.now();
    await inParallel(256, numbers, (index) => js.publish(`bench.${index % 1000}`, body));
    return perSecond(count, begun);
  });

const batch = 1_000;

/** Rows per second into a table like `audit_logs`, in batches of one statement, over one connection. */
export const auditInserts = async (databaseUrl: string): Promise<number> => {
  const client = new Client({ connectionString: await ownDatabase(databaseUrl) });
  await client.connect();
  await createAuditTable(client);
  const rowOf = (): AuditRow => ({ jobId: randomUUID(), type: 'JobStatusChanged', step: 1, payload: body });
  await insertAuditRows(client, Array.from({ length: batch }, rowOf));
  const begun = performance.now();
  for (let inserted = 0; inserted < inserts; inserted += batch)
    await insertAuditRows(client, Array.from({ length: batch }, rowOf));
  const result = perSecond(inserts, begun);
  await client.end();
  return result;
};

/** A database of its own in the same cluster. */
export const ownDatabase = async (databaseUrl: string): Promise<string> => {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  const name = `bench_${randomUUID().replaceAll('-', '')}`;
  await client.query(`create database ${name}`);
  await client.end();
  const url = new URL(databaseUrl);
  url.pathname = `/${name}`;
  return url.href;
};
