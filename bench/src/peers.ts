/** BullMQ and graphile-worker with the same number of jobs, clients and workers, bare and with four audit rows a job. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startPostgres } from '@signalbox/embedded';
import { Client } from 'pg';
import { createAuditTable } from './audit-table.ts';
import { ownDatabase } from './ceilings.ts';
import { type Figure, type PeerName, type PeerRun, type PeerValue, peerNames } from './figure.ts';
import { type IdleLatency, type Latency, latencyOf } from './latency.ts';
import { inParallel } from './measure.ts';
import type { BenchOptions } from './options.ts';
import { openAuditWriter } from './peer-audit.ts';
import { type QueueAddress, type QueueClient, openClient } from './peer-queue.ts';
import type { PeerOrders } from './peer-worker.ts';
import { type Child, machineMs, startChild } from './processes.ts';
import { findRedis, startRedis } from './redis.ts';

/** A text says why a peer was not run. */
export type PeerRuns = Readonly<
  Record<PeerName, { readonly bare: PeerRun; readonly audited: PeerRun } | string>
>;

interface Setup {
  readonly create: QueueClient['add'];
  readonly worker: Child<PeerOrders>;
}

const ended = async (
  worker: Child<PeerOrders>,
  count: number,
  offers?: Map<string, number>,
): Promise<void> => {
  for (;;) {
    const taken = await worker.ask('take', null);
    for (const [jobId, atMs] of taken.offered) offers?.set(jobId, atMs);
    if (taken.ended >= count) return;
    await pause(20);
  }
};

const throughput = async ({ create, worker }: Setup, jobs: number, inFlight: number): Promise<number> => {
  const { ended: before } = await worker.ask('take', null);
  const ids = Array.from({ length: jobs }, () => randomUUID());
  const begun = performance.now();
  await inParallel(inFlight, ids, create);
  await ended(worker, before + jobs);
  return (jobs / (performance.now() - begun)) * 1000;
};

const idle = async ({ create, worker }: Setup, jobs: number): Promise<IdleLatency> => {
  const { ended: before } = await worker.ask('take', null);
  const offers = new Map<string, number>();
  const created: { readonly jobId: string; readonly asked: number; readonly accepted: number }[] = [];
  for (let index = 0; index < jobs; index += 1) {
    await pause(20);
    const jobId = randomUUID();
    const asked = machineMs();
    await create(jobId);
    created.push({ jobId, asked, accepted: machineMs() });
    await pause(20);
    await ended(worker, before + index + 1, offers);
  }
  const since = (from: 'asked' | 'accepted'): Latency =>
    latencyOf(created.map((each) => Math.max(0, (offers.get(each.jobId) ?? Number.NaN) - each[from])));
  return { asked: since('asked'), accepted: since('accepted') };
};

/** Every job has its four rows; without this a peer could win by losing rows. */
const checkRows = async (auditUrl: string, jobs: number): Promise<void> => {
  const client = new Client({ connectionString: auditUrl });
  await client.connect();
  const { rows } = await client.query<{ rows: string; jobs: string }>(
    'select count(*) as rows, count(distinct correlation_id) as jobs from audit_logs',
  );
  await client.end();
  const [found] = rows;
  if (Number(found?.jobs) !== jobs || Number(found?.rows) !== jobs * 4)
    throw new Error(`expected ${jobs} jobs with four rows each, got ${JSON.stringify(found)}`);
};

const runPeer = async (
  address: QueueAddress,
  auditUrl: string | undefined,
  { jobs, inFlight, devices, idleJobs }: BenchOptions,
): Promise<PeerRun> => {
  const [client, audit] = [await openClient(address), openAuditWriter(auditUrl)];
  const worker = startChild<PeerOrders>('peer-worker.ts');
  // As with us, a job is accepted once its first row is on the disk.
  const create = async (jobId: string): Promise<void> => {
    await audit.write(jobId, 1);
    await client.add(jobId);
  };
  try {
    await worker.ask('start', { address, atOnce: devices, ...(auditUrl === undefined ? {} : { auditUrl }) });
    const setup = { create, worker };
    const warmUp = Math.min(500, jobs);
    await throughput(setup, warmUp, inFlight);
    const latencies = await idle(setup, idleJobs);
    const jobsPerSecond = await throughput(setup, jobs, inFlight);
    await worker.ask('stop', null);
    if (auditUrl !== undefined) await checkRows(auditUrl, warmUp + idleJobs + jobs);
    return { jobsPerSecond, ...latencies };
  } finally {
    await Promise.all([client.close(), audit.close(), worker.stop()]);
  }
};

/** A database of its own, with the audit table where it is wanted. */
const newDatabase = async (clusterUrl: string): Promise<string> => {
  const url = await ownDatabase(clusterUrl);
  const client = new Client({ connectionString: url });
  await client.connect();
  await createAuditTable(client);
  await client.end();
  return url;
};

/** What the peers have reached stands beside ours where a figure says which part of it is the same. */
export const withPeers = (figures: readonly Figure[], runs: PeerRuns): readonly Figure[] =>
  figures.map((figure) => {
    const { ofPeer } = figure;
    if (ofPeer === undefined) return figure;
    const valueOf = (name: PeerName): PeerValue | string => {
      const run = runs[name];
      return typeof run === 'string' ? run : { bare: ofPeer(run.bare), audited: ofPeer(run.audited) };
    };
    return { ...figure, peers: Object.fromEntries(peerNames.map((name) => [name, valueOf(name)])) };
  });

/** Runs all of them, one after the other, on servers of their own; Postgres has the settings of ours. */
export const runPeers = async (options: BenchOptions, say: (line: string) => void): Promise<PeerRuns> => {
  const folder = await mkdtemp(join(tmpdir(), 'signalbox-bench-peers-'));
  const postgres = await startPostgres({ dataDir: join(folder, 'postgres') });
  let missing = '';
  const redis = await findRedis((why) => (missing = why));
  const tell = (name: PeerName, runs: { readonly bare: PeerRun; readonly audited: PeerRun }) => {
    say(
      `  ${name}: ${runs.bare.jobsPerSecond.toFixed(0)} jobs/s bare, ${runs.audited.jobsPerSecond.toFixed(0)} audited`,
    );
    return runs;
  };
  const bullmq = async (name: PeerName, fsync: 'everysec' | 'always') => {
    if (redis === undefined) return missing;
    const server = await startRedis(redis, join(folder, fsync), fsync);
    const address: QueueAddress = { kind: 'bullmq', port: server.port };
    try {
      const bare = await runPeer(address, undefined, options);
      return tell(name, { bare, audited: await runPeer(address, await newDatabase(postgres.url), options) });
    } finally {
      await server.stop();
    }
  };
  const graphile = async (): Promise<{ readonly bare: PeerRun; readonly audited: PeerRun }> => {
    const [first, second] = [await newDatabase(postgres.url), await newDatabase(postgres.url)];
    const bare = await runPeer({ kind: 'graphile', databaseUrl: first }, undefined, options);
    const audited = await runPeer({ kind: 'graphile', databaseUrl: second }, second, options);
    return tell('graphile-worker', { bare, audited });
  };
  try {
    say(`\npeers: ${redis === undefined ? `SKIPPED: ${missing}` : `redis-server ${redis.version}`}`);
    return {
      'BullMQ everysec': await bullmq('BullMQ everysec', 'everysec'),
      'BullMQ always': await bullmq('BullMQ always', 'always'),
      'graphile-worker': await graphile(),
    };
  } finally {
    await postgres.destroy();
    await rm(folder, { recursive: true, force: true });
  }
};
