import { rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { serverAccount } from './account.ts';
import { withoutCode } from './file-errors.ts';
import { freePort } from './free-port.ts';
import { claimData, releaseData } from './owner.ts';
import { postgresBinaries } from './postgres-binaries.ts';
import { clearOrphans, ensureCluster, signalbox } from './postgres-cluster.ts';
import {
  type PostgresOptions,
  type PostgresSetup,
  launchPostgres,
  stopTimeoutMs,
} from './postgres-launch.ts';
import { type PostgresPlace, keptPassword, linkRequested, placePostgres } from './postgres-place.ts';
import { PortInUse, type ServerProcess } from './server-process.ts';

const portTries = 10;

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
  /** Stops it and deletes data, password and log. Idempotent; throws DataInUse if another server uses the data by now. */
  destroy(): Promise<void>;
}

/** Tries other free ports when one was taken between the choice and the start. */
const launchOnFreePort = async (setup: PostgresSetup): Promise<{ server: ServerProcess; port: number }> => {
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort();
    try {
      return { server: await launchPostgres(setup, port), port };
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

const isThere = async (path: string): Promise<boolean> =>
  (await stat(path).catch(withoutCode('ENOENT'))) !== undefined;

const serverOf = (setup: PostgresSetup, port: number, first: ServerProcess): PostgresServer => {
  const { place, password } = setup;
  let current: ServerProcess | undefined = first;
  let isDestroyed = false;
  const running = () => (current?.isRunning() === true ? current : undefined);
  const stop = async () => {
    const server = current;
    if (server === undefined) return;
    await server.stop(stopTimeoutMs);
    await releaseData(place.ownerFile, server.pid);
    current = undefined;
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
      if (running() === undefined) current = await launchPostgres(setup, port);
    },
    destroy: async () => {
      if (isDestroyed) return;
      await stop();
      if (await isThere(place.data)) {
        await claimData(place.ownerFile, place.requested);
        await deletePlace(place);
        await releaseData(place.ownerFile);
      }
      isDestroyed = true;
    },
  };
};

/** Everything but the running server: programs, place, password, cluster. */
const prepare = async (options: PostgresOptions): Promise<PostgresSetup> => {
  const account = await serverAccount();
  const binaries = await postgresBinaries(account);
  const place = await placePostgres(options.dataDir, account);
  await claimData(place.ownerFile, place.requested);
  try {
    const password = await keptPassword(place);
    await ensureCluster(binaries, place, password, { account, isDurable: options.durable !== false });
    await linkRequested(place);
    return { options, account, binaries, place, password };
  } finally {
    await releaseData(place.ownerFile);
  }
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
  const setup = await prepare(options);
  const wanted = options.port ?? 0;
  if (wanted !== 0) return serverOf(setup, wanted, await launchPostgres(setup, wanted));
  const { server, port } = await launchOnFreePort(setup);
  return serverOf(setup, port, server);
};
