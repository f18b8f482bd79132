/** A redis-server for BullMQ: from the PATH, else unpacked from the Debian packages beside the system, else none. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { downloadPackage, endWithStarter, freePort } from '@signalbox/embedded';
import { Redis } from 'ioredis';

const run = promisify(execFile);
const cacheDir = join(import.meta.dirname, '../../.signalbox/cache/redis');

export interface RedisBinary {
  readonly path: string;
  readonly env: Readonly<Record<string, string>>;
  readonly version: string;
}

const asRunning = async (path: string, env: Readonly<Record<string, string>>): Promise<RedisBinary> => {
  const { stdout } = await run(path, ['--version'], { env: { ...process.env, ...env } });
  return { path, env, version: /v=(\S+)/.exec(stdout)?.[1] ?? stdout.trim() };
};

const unpacked = join(cacheDir, 'redis-server');
const libraries = { LD_LIBRARY_PATH: join(cacheDir, 'lib') };

/** The server is a part of redis-tools; it needs these libraries besides those that every Debian has. */
const fetchRedis = async (): Promise<RedisBinary> => {
  await mkdir(libraries.LD_LIBRARY_PATH, { recursive: true });
  for (const name of ['redis-tools', 'libjemalloc2', 'liblzf1', 'libatomic1']) {
    const dir = join(cacheDir, name);
    await mkdir(dir, { recursive: true });
    const files = await downloadPackage(name, dir);
    if (name === 'redis-tools') await copyFile(join(files, 'usr/bin/redis-check-rdb'), unpacked);
    else await run('sh', ['-c', 'cp -a "$1"/usr/lib/*/*.so* "$2"', 'sh', files, libraries.LD_LIBRARY_PATH]);
  }
  await chmod(unpacked, 0o755);
  return asRunning(unpacked, libraries);
};

/** Undefined where there is none, with the reason told to `onMissing`. */
export const findRedis = async (onMissing: (why: string) => void): Promise<RedisBinary | undefined> => {
  for (const find of [() => asRunning('redis-server', {}), () => asRunning(unpacked, libraries)]) {
    try {
      return await find();
    } catch {
      // Not there; the next place is tried.
    }
  }
  try {
    return await fetchRedis();
  } catch (error) {
    onMissing(`no redis-server on the PATH, and none could be fetched (${String(error).split('\n')[0]})`);
    return undefined;
  }
};

export interface RedisServer {
  readonly port: number;
  readonly pid: number | undefined;
  stop(): Promise<void>;
}

/** @param fsync when the append-only file is flushed: each second, or before each answer */
export const startRedis = async (
  binary: RedisBinary,
  dir: string,
  fsync: 'everysec' | 'always',
): Promise<RedisServer> => {
  await mkdir(dir, { recursive: true });
  const port = await freePort();
  const settings = { port, bind: '127.0.0.1', save: '', appendonly: 'yes', appendfsync: fsync, dir };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const child = spawn(binary.path, args, { env: { ...process.env, ...binary.env }, stdio: 'ignore' });
  await once(child, 'spawn');
  if (child.pid !== undefined) endWithStarter(child, child.pid);
  const client = new Redis({ port, host: '127.0.0.1', lazyConnect: true, retryStrategy: () => null });
  client.on('error', () => undefined);
  const deadline = performance.now() + 10_000;
  for (;;) {
    try {
      await client.connect();
      break;
    } catch (error) {
      if (performance.now() > deadline || child.exitCode !== null)
        throw new Error('expected redis-server to answer within 10 s, got no connection', { cause: error });
      await pause(50);
    }
  }
  client.disconnect();
  return {
    port,
    pid: child.pid,
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
    },
  };
};
