import { execFile } from 'node:child_process';
import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { jetstreamManager } from '@nats-io/jetstream';
import type { System } from '@signalbox/tools/system';
import { connectOperator } from './operator.ts';

const run = promisify(execFile);
const sizeBytes = 48 * 1024 * 1024;
const blockBytes = 1024 * 1024;
const filler = 'filler';

/** The place of nats-server's files, which can be filled up. */
export interface NatsDisk {
  /** How it is made full: said in the result of a run. */
  readonly means: 'tmpfs' | 'max_file_store';
  /** What nats-server is to be told; undefined where the disk itself is small. */
  readonly fileBytes: number | undefined;
  /** Leaves no space; answers how the space is given back. */
  fill(system: System): Promise<() => Promise<void>>;
  close(): Promise<void>;
}

/** Writes a file until the disk takes no more. */
const fillFolder = async (file: string): Promise<void> => {
  const handle = await open(file, 'w');
  try {
    for (let size = blockBytes; size >= 512; size /= 2) {
      try {
        for (;;) await handle.write(Buffer.alloc(size, 1));
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
      }
    }
  } finally {
    await handle.close();
  }
};

/** A file system of its own in memory: full is full, as the kernel says. Only root can mount one. */
const mounted = async (folder: string): Promise<NatsDisk> => {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await run('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes},mode=0700`, 'signalbox-faults', folder]);
  return {
    means: 'tmpfs',
    fileBytes: undefined,
    fill: async () => {
      const file = join(folder, filler);
      await fillFolder(file);
      return () => rm(file, { force: true });
    },
    close: async () => {
      await run('umount', ['--lazy', folder]);
    },
  };
};

/** The limit of JetStream's files, used up by another stream. */
const limited = (): NatsDisk => ({
  means: 'max_file_store',
  fileBytes: sizeBytes,
  fill: async (system) => {
    const nc = await connectOperator(system);
    const manager = await jetstreamManager(nc, { checkAPI: false });
    const { storage } = await manager.getAccountInfo();
    await manager.streams.add({ name: filler, subjects: [filler], max_bytes: sizeBytes - storage });
    return async () => {
      await manager.streams.delete(filler);
      await nc.close();
    };
  },
  close: () => Promise.resolve(),
});

/** Prepares the place of nats-server's files below a state folder, before the server starts. */
export const openNatsDisk = (stateDir: string): Promise<NatsDisk> =>
  process.getuid?.() === 0 && process.platform === 'linux'
    ? mounted(join(stateDir, 'nats'))
    : Promise.resolve(limited());
