import { execFile } from 'node:child_process';
import { access, chmod, constants, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { delimiter, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { downloadPackage, osRelease } from './apt-download.ts';
import { withoutCode } from './file-errors.ts';

const run = promisify(execFile);
const wantedVersion = [2, 10, 0];
const floorVersion = [2, 9, 10];
/** The Debian release whose nats-server also runs on the one before it: linked against libc only. */
const debianSuite = 'trixie';

export interface FindOptions {
  /** Folder for what is fetched; made when missing. */
  readonly cacheDir: string;
  /** Takes one line for people when something is fetched. */
  readonly log: (line: string) => void;
}

interface Candidate {
  readonly path: string;
  readonly version: readonly number[];
}

const isAtLeast = (version: readonly number[], floor: readonly number[]): boolean => {
  for (const [index, part] of floor.entries()) {
    const own = version[index] ?? 0;
    if (own !== part) return own > part;
  }
  return true;
};

/** Runs a program and reads its version; undefined when it cannot run or is something else. */
const candidateAt = async (path: string): Promise<Candidate | undefined> => {
  const { stdout } = await run(path, ['--version'], { timeout: 10_000 }).catch(() => ({ stdout: '' }));
  const [, major, minor, patch] = /^nats-server: v(\d+)\.(\d+)\.(\d+)/.exec(stdout) ?? [];
  return major === undefined ? undefined : { path, version: [Number(major), Number(minor), Number(patch)] };
};

const onPath = async (): Promise<Candidate | undefined> => {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, 'nats-server');
    const isThere = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (folder !== '' && isThere) return candidateAt(path);
  }
  return undefined;
};

/** The newest one that was fetched before. */
const inCache = async (cacheDir: string): Promise<Candidate | undefined> => {
  const names = (await readdir(cacheDir).catch(withoutCode('ENOENT'))) ?? [];
  let best: Candidate | undefined;
  for (const name of names.filter((entry) => entry.startsWith('nats-server-'))) {
    const found = await candidateAt(join(cacheDir, name));
    if (found && isAtLeast(found.version, best?.version ?? floorVersion)) best = found;
  }
  return best;
};

/** Fetches into a folder of its own and moves the finished program into the cache, so that two may do it at once. */
const fetched = async (cacheDir: string, suite: string | undefined): Promise<Candidate> => {
  await mkdir(cacheDir, { recursive: true });
  const temporary = await mkdtemp(join(cacheDir, '.fetch-'));
  try {
    const files = await downloadPackage('nats-server', temporary, suite);
    for (const folder of ['usr/sbin', 'usr/bin']) {
      const found = await candidateAt(join(files, folder, 'nats-server'));
      if (!found) continue;
      const path = join(cacheDir, `nats-server-${found.version.join('.')}`);
      await chmod(found.path, 0o755);
      await rename(found.path, path);
      return { path, version: found.version };
    }
    throw new Error('expected a program nats-server in the package that runs here, got none');
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
};

const lastLine = (error: unknown): string => {
  const text = error instanceof Error && 'stderr' in error ? String(error.stderr) : '';
  const lines = (text.trim() || (error instanceof Error ? error.message : String(error))).split('\n');
  return lines.find((line) => line.startsWith('E: ')) ?? lines.at(-1) ?? '';
};

/** Releases to ask apt for, the preferred first; none on systems without apt. */
const suitesToTry = async (): Promise<(string | undefined)[]> => {
  const hasApt = await run('apt-get', ['--version'], { env: process.env }).then(
    () => true,
    () => false,
  );
  if (!hasApt) return [];
  return (await osRelease('ID')) === 'debian' ? [debianSuite, undefined] : [undefined];
};

/**
 * Finds a nats-server, or fetches one without changing the system: on the PATH from 2.10, in the cache, from the
 * machine's own Debian mirror (2.10 of trixie, else its own release's), on the PATH from 2.9.10.
 *
 * @returns its absolute path
 * @throws Error there is none; the message tells what was tried and what to install
 */
export const findNatsServer = async ({ cacheDir, log }: FindOptions): Promise<string> => {
  const cache = resolve(cacheDir);
  const installed = await onPath();
  if (installed && isAtLeast(installed.version, wantedVersion)) return installed.path;
  const cached = await inCache(cache);
  if (cached) return cached.path;
  const tried = [installed ? `on the PATH: version ${installed.version.join('.')}` : 'on the PATH: none'];
  for (const suite of await suitesToTry()) {
    log(`fetching nats-server from this machine's package mirror${suite ? ` (Debian ${suite})` : ''}`);
    try {
      const found = await fetched(cache, suite);
      if (isAtLeast(found.version, floorVersion)) return found.path;
      tried.push(`package of ${suite ?? 'this release'}: version ${found.version.join('.')}`);
    } catch (error) {
      tried.push(`package of ${suite ?? 'this release'}: ${lastLine(error)}`);
    }
  }
  if (installed && isAtLeast(installed.version, floorVersion)) return installed.path;
  throw new Error(
    `expected nats-server ${floorVersion.join('.')} or newer, got none (${tried.join('; ')}). Install it ` +
      '(apt-get install nats-server, brew install nats-server, or a release of github.com/nats-io/nats-server on the ' +
      'PATH), or give the address of a running one',
  );
};
