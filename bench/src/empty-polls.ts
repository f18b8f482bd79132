/** What agents cost that have nothing to do: empty polls per second, and the gateway's memory while they wait. */
import { readFileSync, readdirSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { Client as Postgres } from 'pg';
import type { System } from '@signalbox/tools/system';
import type { BareOrders } from './bare-server.ts';
import { cpuSeconds } from './cpu.ts';
import type { Device } from './device.ts';
import type { Measured } from './figure.ts';
import { enrolDevices } from './fleet.ts';
import type { PollOrders } from './poll-client.ts';
import { type Child, startChild } from './processes.ts';

export interface PollSettings {
  /** Long polls that are open at once, each of a device of its own. */
  readonly open: number;
  /** Connections that poll without a wait. */
  readonly connections: number;
  readonly forMs: number;
}

/** So long that none is answered while the memory is read. */
const holdMs = 60_000;
const settleMs = 2_000;

const residentMb = (pid: number): number => {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib) / 1024;
};

const openFiles = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;

/** Transactions of the database so far. Servers tell of them at most a second late while they are busy. */
const commitsOf = async (postgres: Postgres): Promise<number> => {
  await pause(1_100);
  const { rows } = await postgres.query<{ commits: string }>(
    'select xact_commit as commits from pg_stat_database where datname = current_database()',
  );
  return Number(rows[0]?.commits);
};

interface Server {
  readonly url: string;
  readonly pid: number;
}

/** Memory of the server before and while it keeps all these polls open, in MiB. */
const memory = async (client: Child<PollOrders>, { url, pid }: Server, credentials: readonly string[]) => {
  const beforeMb = residentMb(pid);
  await client.ask('hold', { url, credentials, waitMs: holdMs });
  await pause(settleMs);
  const files = openFiles(pid);
  if (files < credentials.length)
    throw new Error(`expected ${credentials.length} open connections at the server, got ${files}`);
  const mb = residentMb(pid);
  await client.ask('drop', null);
  return { beforeMb, mb };
};

const measureServer = async (
  client: Child<PollOrders>,
  server: Server,
  all: readonly string[],
  settings: PollSettings,
) => {
  const credentials = all.slice(0, settings.connections);
  // The first poll with a credential looks it up; what follows is answered from memory.
  await client.ask('spin', { url: server.url, credentials, forMs: 500 });
  const spun = await client.ask('spin', { url: server.url, credentials, forMs: settings.forMs });
  return { spun, ...(await memory(client, server, all)) };
};

/** Polls while the database counts; the same time without polls is what the services do by themselves. */
const commitsDuring = async (
  system: System,
  client: Child<PollOrders>,
  credentials: readonly string[],
  forMs: number,
) => {
  const postgres = new Postgres({ connectionString: system.databaseUrl });
  await postgres.connect();
  const start = await commitsOf(postgres);
  const { allPolls } = await client.ask('spin', { url: system.gatewayUrl, credentials, forMs });
  const polled = await commitsOf(postgres);
  await pause(forMs * 1.25);
  const idle = await commitsOf(postgres);
  await postgres.end();
  return { polls: allPolls, commits: polled - start, idleCommits: idle - polled };
};

export const measurePolls = async (system: System, settings: PollSettings): Promise<Measured> => {
  const pid = system.programs.get('device-gateway')?.pid;
  if (pid === undefined) throw new Error('expected the gateway as a process of its own, got none');
  const devices: readonly Device[] = await enrolDevices(system, settings.open, 'poll');
  const credentials = devices.map(({ credential }) => credential);
  const client = startChild<PollOrders>('poll-client.ts');
  const bare = startChild<BareOrders>('bare-server.ts');
  try {
    const bareServer = { url: await bare.ask('listen', null), pid: bare.pid ?? 0 };
    const cpuBefore = cpuSeconds([pid]);
    const ours = await measureServer(client, { url: system.gatewayUrl, pid }, credentials, settings);
    const gatewaySeconds = cpuSeconds([pid]) - cpuBefore;
    const theirs = await measureServer(client, bareServer, credentials, settings);
    const database = await commitsDuring(
      system,
      client,
      credentials.slice(0, settings.connections),
      settings.forMs / 2,
    );
    const perPoll = (seconds: number, polls: number): string => ((seconds * 1e6) / polls).toFixed(0);
    return {
      figures: [
        {
          measurement: 4,
          name: 'empty polls of one gateway',
          unit: 'polls/s',
          value: ours.spun.perSecond,
          aim: { atLeast: 8_000 },
          ceiling: theirs.spun.perSecond,
        },
        {
          measurement: 4,
          name: `gateway's memory with ${settings.open} open long polls`,
          unit: 'MB',
          value: ours.mb,
          aim: { atMost: 300 },
          ceiling: theirs.mb,
        },
      ],
      notes: [
        `the client of the empty polls used ${perPoll(ours.spun.cpuSeconds, ours.spun.polls)} µs of CPU each; ` +
          `the gateway used ${gatewaySeconds.toFixed(1)} s in all and had ${ours.beforeMb.toFixed(0)} MB before the long polls`,
        `transactions of the database during ${database.polls} empty polls: ${database.commits}; ` +
          `in the same time without polls: ${database.idleCommits}`,
      ],
    };
  } finally {
    await Promise.all([client.stop(), bare.stop()]);
  }
};
