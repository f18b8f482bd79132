import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { findNatsServer } from './index.ts';

let folder: string;
const path = process.env['PATH'];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'signalbox-test-'));
  await mkdir(join(folder, 'bin'));
  await mkdir(join(folder, 'cache'));
  process.env['PATH'] = join(folder, 'bin');
});

afterEach(async () => {
  process.env['PATH'] = path;
  await rm(folder, { recursive: true, force: true });
});

/** A program that only knows its version; answers its path. */
const place = async (name: string, version: string): Promise<string> => {
  const file = join(folder, name);
  await writeFile(file, `#!/bin/sh\necho "nats-server: v${version}"\n`, { mode: 0o755 });
  return file;
};

const find = (): Promise<string> => findNatsServer({ cacheDir: join(folder, 'cache'), log: () => undefined });

describe('findNatsServer', () => {
  it('takes an installed one that is new enough', async () => {
    await place('cache/nats-server-2.11.0', '2.11.0');
    const installed = await place('bin/nats-server', '2.10.0');
    expect(await find()).toBe(installed);
  });

  it('takes the newest of the cache before an installed one that is old', async () => {
    await place('bin/nats-server', '2.9.25');
    await place('cache/nats-server-2.9.10', '2.9.10');
    const newest = await place('cache/nats-server-2.10.27', '2.10.27');
    expect(await find()).toBe(newest);
  });

  it('ignores a broken file in the cache', async () => {
    await writeFile(join(folder, 'cache/nats-server-2.12.0'), 'torn');
    const installed = await place('bin/nats-server', '2.9.10');
    expect(await find()).toBe(installed);
  });

  it('takes an old installed one where nothing can be fetched, down to 2.9.10', async () => {
    const installed = await place('bin/nats-server', '2.9.10');
    expect(await find()).toBe(installed);
    await place('bin/nats-server', '2.9.9');
    await expect(find()).rejects.toThrow(
      /expected nats-server 2.9.10 or newer, got none \(on the PATH: version 2.9.9\)/,
    );
  });
});
