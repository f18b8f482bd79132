import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { findNatsServer, startPostgres } from '@signalbox/embedded';
import { makeTestFolder } from './servers.ts';

export interface RunServers {
  stop(): Promise<void>;
}

export interface RunOptions {
  /** Folder in which a fetched nats-server is kept. */
  readonly cacheDir: string;
}

/**
 * What one run of the tests shares: a Postgres cluster without flushes, whose address the specs get in
 * `SIGNALBOX_TEST_DATABASE_URL`, and a nats-server program, its path in `SIGNALBOX_TEST_NATS_SERVER`. Either one that
 * is given from outside is used as it is.
 */
export const startRunServers = async ({ cacheDir }: RunOptions): Promise<RunServers> => {
  process.env['SIGNALBOX_TEST_NATS_SERVER'] ??= await findNatsServer({
    cacheDir,
    log: (line) => process.stderr.write(`${line}\n`),
  });
  if (process.env['SIGNALBOX_TEST_DATABASE_URL'] !== undefined) return { stop: () => Promise.resolve() };
  const folder = await makeTestFolder();
  const postgres = await startPostgres({ dataDir: join(folder, 'postgres'), durable: false });
  process.env['SIGNALBOX_TEST_DATABASE_URL'] = postgres.url;
  return {
    stop: async () => {
      delete process.env['SIGNALBOX_TEST_DATABASE_URL'];
      await postgres.destroy();
      await rm(folder, { recursive: true, force: true });
    },
  };
};
