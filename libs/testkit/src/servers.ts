import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type NatsServer,
  type PostgresServer,
  findNatsServer,
  startNats,
  startPostgres,
} from '@signalbox/embedded';

export interface TestNats extends NatsServer {
  /** Stops it, deletes all streams and starts it again on the same port. */
  wipe(): Promise<void>;
  /** Stops it and deletes its files: the end of a spec. */
  close(): Promise<void>;
}

export interface TestPostgres extends PostgresServer {
  /** Stops it and deletes its files: the end of a spec. */
  close(): Promise<void>;
}

export interface TestNatsOptions {
  /** Further text of the configuration file. */
  readonly config?: string;
  /** Opens the HTTP monitoring port. */
  readonly monitor?: boolean;
}

/** A folder that other accounts may enter, because Postgres does not run as root. */
export const makeTestFolder = async (): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'signalbox-test-'));
  await chmod(folder, 0o755);
  return folder;
};

const natsBinary = (): Promise<string> => {
  const given = process.env['SIGNALBOX_TEST_NATS_SERVER'];
  if (given !== undefined) return Promise.resolve(given);
  const cacheDir = join(import.meta.dirname, '../../../.signalbox/cache');
  return findNatsServer({ cacheDir, log: (line) => process.stderr.write(`${line}\n`) });
};

/** A nats-server of its own, with an empty store. */
export const startTestNats = async (options: TestNatsOptions = {}): Promise<TestNats> => {
  const folder = await makeTestFolder();
  const storeDir = join(folder, 'jetstream');
  const server = await startNats({ binary: await natsBinary(), storeDir, ...options });
  return Object.assign(server, {
    wipe: async () => {
      await server.stop();
      await rm(storeDir, { recursive: true, force: true });
      await server.start();
    },
    close: async () => {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  });
};

/** A cluster of its own, for specs that stop or kill Postgres. Durable, unless told otherwise. */
export const startTestPostgres = async (
  options: { readonly durable?: boolean } = {},
): Promise<TestPostgres> => {
  const folder = await makeTestFolder();
  const server = await startPostgres({ dataDir: join(folder, 'postgres'), ...options });
  return Object.assign(server, {
    close: async () => {
      await server.destroy();
      await rm(folder, { recursive: true, force: true });
    },
  });
};
