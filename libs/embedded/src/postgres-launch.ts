import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import type { Account } from './account.ts';
import { hasCode } from './file-errors.ts';
import { claimData, recordServer, releaseData } from './owner.ts';
import type { PostgresBinaries } from './postgres-binaries.ts';
import { clearCluster, signalbox } from './postgres-cluster.ts';
import type { PostgresPlace } from './postgres-place.ts';
import { PortInUse, ServerFailed, type ServerProcess, spawnServer } from './server-process.ts';

const readyTimeoutMs = 60_000;
/** Longest wait for a shutdown in order, after which the server is killed. */
export const stopTimeoutMs = 30_000;

export interface PostgresOptions {
  /** Folder of the data; made when missing. Password, log and owner file are put beside it, named after it. */
  readonly dataDir: string;
  /** Port on 127.0.0.1; 0 or absent: a free one. */
  readonly port?: number;
  /** Default true. False: nothing is flushed, a crash of the machine destroys the data; for tests. */
  readonly durable?: boolean;
  /** Further server settings, such as `{ max_connections: '50' }`; they win over ours. */
  readonly settings?: Readonly<Record<string, string>>;
}

const argumentsFor = (place: PostgresPlace, port: number, options: PostgresOptions): string[] => {
  const settings = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    timezone: 'UTC',
    log_timezone: 'UTC',
    log_checkpoints: 'off',
    max_connections: '200',
    ...(options.durable === false
      ? { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }
      : {}),
    ...options.settings,
  };
  return [
    '-D',
    place.data,
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ];
};

/** Connects as the superuser and makes the database if it is not there. */
const prepareDatabase = async (port: number, password: string): Promise<void> => {
  const client = new Client({
    host: '127.0.0.1',
    port,
    user: signalbox,
    password,
    database: 'postgres',
    connectionTimeoutMillis: 5_000,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [signalbox]);
    if (rowCount === 0) await client.query(`create database ${signalbox}`);
  } finally {
    await client.end().catch(() => undefined);
  }
};

/** Resolves when queries are answered. The random password makes sure that it is our server that answers. */
const becomeReady = async (server: ServerProcess, port: number, password: string): Promise<void> => {
  const deadline = performance.now() + readyTimeoutMs;
  for (;;) {
    try {
      await Promise.race([prepareDatabase(port, password), server.exited]);
      if (server.isRunning()) return;
    } catch (error) {
      const isRefused = hasCode(error, '28P01');
      if (isRefused) await Promise.race([server.exited, delay(1_000)]);
      if (server.isRunning() && (isRefused || performance.now() > deadline)) {
        throw new ServerFailed('Postgres', 'no connection', await server.log(), error);
      }
    }
    if (!server.isRunning()) {
      const log = await server.log();
      if (log.includes('could not create any TCP/IP sockets')) throw new PortInUse('Postgres', port);
      throw new ServerFailed('Postgres', await server.exited, log);
    }
    await delay(10);
  }
};

export interface PostgresSetup {
  readonly options: PostgresOptions;
  readonly account: Account | undefined;
  readonly binaries: PostgresBinaries;
  readonly place: PostgresPlace;
  readonly password: string;
}

const launchClaimed = async (setup: PostgresSetup, port: number): Promise<ServerProcess> => {
  const { place } = setup;
  await clearCluster(place);
  const server = await spawnServer({
    command: setup.binaries.postgres,
    args: argumentsFor(place, port, setup.options),
    logFile: place.logFile,
    account: setup.account,
  });
  try {
    await recordServer(place.ownerFile, server.pid);
    await becomeReady(server, port, setup.password);
    return server;
  } catch (error) {
    await server.stop(stopTimeoutMs);
    await releaseData(place.ownerFile, server.pid);
    throw error;
  }
};

/**
 * Starts the server on a port and resolves when it answers queries.
 *
 * @throws DataInUse, PortInUse, ServerFailed
 */
export const launchPostgres = async (setup: PostgresSetup, port: number): Promise<ServerProcess> => {
  await claimData(setup.place.ownerFile, setup.place.requested);
  try {
    return await launchClaimed(setup, port);
  } catch (error) {
    await releaseData(setup.place.ownerFile);
    throw error;
  }
};
