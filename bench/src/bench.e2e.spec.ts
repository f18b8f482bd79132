import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from '@jest/globals';

const run = promisify(execFile);
const program = join(import.meta.dirname, 'main.ts');

interface Figure {
  readonly measurement: number;
  readonly name: string;
  readonly value: number;
  readonly ceiling?: number;
  readonly peers?: Readonly<Record<string, { readonly bare: number; readonly audited: number } | string>>;
}

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'signalbox-test-'));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** Tiny sizes: it shows that the bench measures, not how fast anything is. */
it('shows figures beside their ceilings, and jobs beside the peers', async () => {
  const [json, markdown] = [join(folder, 'figures.json'), join(folder, 'table.md')];
  const args = ['--quick', '--only', '1,4', '--jobs', '60', '--json', json, '--markdown', markdown];
  const { stdout } = await run(process.execPath, [program, ...args], {
    env: { ...process.env, NODE_OPTIONS: '' },
    maxBuffer: 16 * 1024 * 1024,
  });
  const { figures }: { figures: readonly Figure[] } = JSON.parse(await readFile(json, 'utf8'));
  expect(new Set(figures.map(({ measurement }) => measurement))).toEqual(new Set([1, 4]));
  for (const figure of figures) {
    expect(figure).toMatchObject({ value: expect.any(Number), ceiling: expect.any(Number) });
    expect([figure.name, figure.value > 0]).toEqual([figure.name, true]);
  }
  const peers = figures.filter(({ measurement }) => measurement === 1).map((figure) => figure.peers);
  for (const each of peers) {
    expect(Object.keys(each ?? {})).toEqual(['BullMQ everysec', 'BullMQ always', 'graphile-worker']);
    for (const value of Object.values(each ?? {}))
      if (typeof value === 'string') expect(value).toMatch(/redis-server/);
      else expect(value).toEqual({ bare: expect.any(Number), audited: expect.any(Number) });
  }
  const table = (await readFile(markdown, 'utf8')).split('\n').filter((line) => line.startsWith('|'));
  expect(table).toHaveLength(figures.length + 2);
  for (const line of table) expect(stdout).toContain(line);
}, 300_000);
