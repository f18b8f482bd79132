import { join } from 'node:path';
import { startRunServers } from '../src/run-servers.ts';

/** Runs once before all specs; what it starts, `teardown.mjs` stops. */
export default async ({ rootDir }) => {
  globalThis.signalboxRunServers = await startRunServers({ cacheDir: join(rootDir, '.signalbox/cache') });
};
