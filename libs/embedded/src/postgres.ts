import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { type Account, serverAccount } from './account.ts';
import { hasCode } from './file-errors.ts';
import { freePort } from './free-port.ts';
import { removeOwner, writeOwner } from './owner.ts';
import { type PostgresBinaries, postgresBinaries } from './postgres-binaries.ts';
import { clearCluster, clearOrphans, ensureCluster, signalbox } from './postgres-cluster.ts';
import { type PostgresPlace, keptPassword, linkRequested, placePostgres } from './postgres-place.ts';
import { PortInUse, ServerFailed, type ServerProcess, spawnServer } from './server-process.ts';

const readyTimeoutMs = 60_000;
const stopTimeoutMs = 30_000;
const portTries = 10;

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

export interface PostgresServer {
  /** With the superuser's name and password, of database `signalbox`; the same after every `start`. */
  readonly url: string;
  readonly port: number;
  /** Of the postmaster; undefined while it is not running. */
  readonly pid: number | undefined;
  readonly dataDir: string;
  /** Resolves with how it ended when the server that runs now ends, for whatever reason. */
  exited(): Promise<string>;
  /** Ends open connections, flushes and waits for the end. Idempotent. */
  stop(): Promise<void>;
  /** Signals the postmaster (SIGKILL by default) and waits for its end and its children's, except after SIGSTOP and SIGCONT. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again on the same port; nothing happens while it runs. */
  start(): Promise<void>;
  /** Stops it and deletes data, password and log. */
  destroy(): Promise<void>;
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
      await prepareDatabase(port, password);
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

interface Setup {
  readonly options: PostgresOptions;
  readonly account: Account | undefined;
  readonly binaries: PostgresBinaries;
  readonly place: PostgresPlace;
  readonly password: string;
}

const launch = async (setup: Setup, port: number): Promise<ServerProcess> => {
  const { place } = setup;
  await clearCluster(place);
  const server = await spawnServer({
    command: setup.binaries.postgres,
    args: argumentsFor(place, port, setup.options),
    logFile: place.logFile,
    account: setup.account,
  });
  try {
    await writeOwner(place.ownerFile, server.pid);
    await becomeReady(server, port, setup.password);
    return server;
  } catch (error) {
    await server.stop(stopTimeoutMs);
    await removeOwner(place.ownerFile);
    throw error;
  }
};

/** Tries other free ports when one was taken between the choice and the start. */
const launchOnFreePort = async (setup: Setup): Promise<{ server: ServerProcess; port: number }> => {
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort();
    try {
      return { server: await launch(setup, port), port };
    } catch (error) {
      if (!(error instanceof PortInUse) || attempt === portTries) throw error;
    }
  }
};

const deletePlace = async (place: PostgresPlace): Promise<void> => {
  const folder = place.data === place.requested ? place.data : dirname(place.data);
  for (const path of [folder, place.requested, place.passwordFile, place.logFile, `${place.logFile}.1`]) {
    await rm(path, { recursive: true, force: true });
  }
};

const serverOf = (setup: Setup, port: number, first: ServerProcess): PostgresServer => {
  const { place, password } = setup;
  let current: ServerProcess | undefined = first;
  const running = () => (current?.isRunning() === true ? current : undefined);
  const stop = async () => {
    await running()?.stop(stopTimeoutMs);
    current = undefined;
    await removeOwner(place.ownerFile);
  };
  return {
    url: `postgresql://${signalbox}:${password}@127.0.0.1:${port}/${signalbox}`,
    port,
    dataDir: place.requested,
    get pid() {
      return running()?.pid;
    },
    exited: () => current?.exited ?? Promise.resolve('not running'),
    stop,
    kill: async (signal = 'SIGKILL') => {
      const server = running();
      server?.signal(signal);
      if (signal === 'SIGSTOP' || signal === 'SIGCONT') return;
      await server?.exited;
      await clearOrphans(place.data);
    },
    start: async () => {
      if (running() === undefined) current = await launch(setup, port);
    },
    destroy: async () => {
      await stop();
      await deletePlace(place);
    },
  };
};

/**
 * Starts a Postgres of its own on 127.0.0.1, with passwords (SCRAM), UTF-8 and byte order (locale C), and makes the
 * cluster and the database `signalbox` at the first call. Started by root it runs as an unprivileged account; where
 * that one cannot reach `dataDir`, the data lie in a folder of the system and `dataDir` is a link to it.
 *
 * The server ends when this process ends, however it does.
 *
 * @throws DataInUse another living process has started a server on these data
 * @throws PortInUse the given port is taken
 * @throws ServerFailed it did not become ready within a minute; the message holds the end of its log
 */
export const startPostgres = async (options: PostgresOptions): Promise<PostgresServer> => {
  const account = await serverAccount();
  const binaries = await postgresBinaries(account);
  const place = await placePostgres(options.dataDir, account);
  const password = await keptPassword(place);
  await ensureCluster(binaries, place, password, account);
  await linkRequested(place);
  const setup = { options, account, binaries, place, password };
  const wanted = options.port ?? 0;
  if (wanted !== 0) return serverOf(setup, wanted, await launch(setup, wanted));
  const { server, port } = await launchOnFreePort(setup);
  return serverOf(setup, port, server);
};
