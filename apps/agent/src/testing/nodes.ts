import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../../../..');
const cacheDir = join(root, '.signalbox', 'cache');

const majorOf = (node: string): number | undefined => {
  try {
    return Number(
      /^v(\d+)\./.exec(execFileSync(node, ['--version'], { encoding: 'utf8', stdio: 'pipe' }))?.[1],
    );
  } catch {
    return undefined; // there is none
  }
};

/** npm carries every Node as a package of one program. */
const fetchNode = (major: number, to: string): void => {
  mkdirSync(cacheDir, { recursive: true });
  const folder = mkdtempSync(join(cacheDir, '.fetch-'));
  try {
    const name = `node-linux-${process.arch}@${major}`;
    const packed = execFileSync('npm', ['pack', '--silent', '--pack-destination', folder, name], {
      cwd: folder,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    execFileSync('tar', ['-xzf', join(folder, packed.trim()), '-C', folder, 'package/bin/node']);
    chmodSync(join(folder, 'package/bin/node'), 0o755);
    renameSync(join(folder, 'package/bin/node'), to);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

const firstLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';

/** A program of this Node: the one that runs, that of the system, or one fetched into the cache; or why there is none. */
export const findNode = (major: number): { readonly path: string } | { readonly missing: string } => {
  const cached = join(cacheDir, `node-${major}`);
  const found = [process.execPath, '/usr/bin/node', '/usr/local/bin/node', cached].find(
    (path) => majorOf(path) === major,
  );
  if (found !== undefined) return { path: found };
  if (process.platform !== 'linux') return { missing: `Node ${major} is fetched on Linux only` };
  try {
    fetchNode(major, cached);
    return { path: cached };
  } catch (error) {
    return { missing: `Node ${major} could not be fetched: ${firstLine(error)}` };
  }
};
