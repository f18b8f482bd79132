import { execFile } from 'node:child_process';
import { chown, mkdir, readFile, readdir, readlink, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Account } from './account.ts';
import { withoutCode } from './file-errors.ts';
import { DataInUse, processStarted, signalIfAlive } from './owner.ts';
import type { PostgresBinaries } from './postgres-binaries.ts';
import type { PostgresPlace } from './postgres-place.ts';

const run = promisify(execFile);

/** Name of the superuser and of the database. */
export const signalbox = 'signalbox';

interface ClusterOptions {
  readonly account: Account | undefined;
  /** False: the files need not have reached the disk when the cluster is made. */
  readonly isDurable: boolean;
}

const initialise = async (
  binaries: PostgresBinaries,
  dir: string,
  password: string,
  { account, isDurable }: ClusterOptions,
): Promise<void> => {
  const passwordFile = `${dir}.password`;
  await mkdir(dir, { mode: 0o700 });
  await writeFile(passwordFile, password, { mode: 0o600 });
  try {
    if (account !== undefined) {
      await chown(dir, account.uid, account.gid);
      await chown(passwordFile, account.uid, account.gid);
    }
    const args = ['-D', dir, '-U', signalbox, '-A', 'scram-sha-256', `--pwfile=${passwordFile}`];
    if (!isDurable) args.push('--no-sync');
    await run(binaries.initdb, [...args, '-E', 'UTF8', '--locale=C', '--no-instructions'], {
      cwd: '/',
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
      ...account,
    });
  } finally {
    await rm(passwordFile, { force: true });
  }
};

/**
 * Makes the cluster unless it is there: beside its place, then moved, so that an interrupted start leaves none or a
 * complete one. To be called by the process that has claimed the data only.
 *
 * @throws Error the data belong to another major version of Postgres
 */
export const ensureCluster = async (
  binaries: PostgresBinaries,
  place: PostgresPlace,
  password: string,
  options: ClusterOptions,
): Promise<void> => {
  const version = await readFile(join(place.data, 'PG_VERSION'), 'utf8').catch(withoutCode('ENOENT'));
  if (version === undefined) {
    const temporary = `${place.data}.init`;
    await rm(temporary, { recursive: true, force: true });
    await initialise(binaries, temporary, password, options);
    await rename(temporary, place.data);
  } else if (version.trim() !== binaries.major) {
    throw new Error(
      `expected data of Postgres ${binaries.major} in ${place.requested}, got data of ${version.trim()}: ` +
        'use the release that made them, or move them aside',
    );
  }
};

/** Processes of Postgres that work in a data folder: its postmaster, and its children if that was killed. */
const processesIn = async (data: string): Promise<number[]> => {
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name));
  const found: number[] = [];
  for (const pid of pids) {
    const folder = await readlink(`/proc/${pid}/cwd`).catch(() => undefined);
    if (folder !== data) continue;
    const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '');
    if (name.startsWith('postgres') && (await processStarted(Number(pid))) !== undefined)
      found.push(Number(pid));
  }
  return found;
};

/** Waits for the children of a killed postmaster, which notice its death by themselves; kills what stays. */
export const clearOrphans = async (data: string): Promise<void> => {
  const deadline = performance.now() + 5_000;
  for (;;) {
    const left = await processesIn(data);
    if (left.length === 0) return;
    if (performance.now() > deadline) for (const pid of left) signalIfAlive(pid, 'SIGKILL');
    await delay(20);
  }
};

/**
 * Makes the data folder ready for a start: waits for the children of a killed postmaster and removes the pid file of a
 * dead one, whose number may by now belong to another process.
 *
 * @throws DataInUse a living postmaster uses the data
 */
export const clearCluster = async (place: PostgresPlace): Promise<void> => {
  const pidFile = join(place.data, 'postmaster.pid');
  const text = await readFile(pidFile, 'utf8').catch(withoutCode('ENOENT'));
  if (text === undefined || process.platform !== 'linux') return;
  const pid = Number.parseInt(text, 10);
  if ((await processesIn(place.data)).includes(pid))
    throw new DataInUse(place.requested, pid, 'another program');
  await clearOrphans(place.data);
  await rm(pidFile, { force: true });
};
