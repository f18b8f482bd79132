import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { execFile } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { hasCode, withoutCode } from './file-errors.ts';

const run = promisify(execFile);

/** Which process started which server. Beside a pid stands the process's start, because pids are used again. */
interface Owner {
  readonly ownerPid: number;
  readonly ownerStarted: string;
  readonly serverPid: number;
  readonly serverStarted: string;
}

/** Thrown when data are in use by a living server that is not ours to stop. */
export class DataInUse extends Error {
  readonly dataDir: string;
  readonly serverPid: number;
  constructor(dataDir: string, serverPid: number, by: string) {
    super(`expected ${dataDir} to be free, got a server that uses it (pid ${serverPid}, started by ${by})`);
    this.name = 'DataInUse';
    this.dataDir = dataDir;
    this.serverPid = serverPid;
  }
}

/** When a process started, in a form to compare only; `undefined` when it is not running (a zombie is not). */
export const processStarted = async (pid: number): Promise<string | undefined> => {
  if (process.platform === 'linux') {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(withoutCode('ENOENT', 'ESRCH'));
    const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ') ?? [];
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  }
  const { stdout } = await run('ps', ['-o', 'lstart=', '-p', String(pid)]).catch(() => ({ stdout: '' }));
  return stdout.trim() || undefined;
};

/** Waits until a process is gone: false if it still runs after `timeoutMs`. */
export const isGoneWithin = async (pid: number, timeoutMs: number): Promise<boolean> => {
  const started = await processStarted(pid);
  const deadline = performance.now() + timeoutMs;
  while (started !== undefined && (await processStarted(pid)) === started) {
    if (performance.now() > deadline) return false;
    await delay(20);
  }
  return true;
};

/** Signals a process that may be gone already. */
export const signalIfAlive = (pid: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!hasCode(error, 'ESRCH')) throw error;
  }
};

const isOwner = (value: unknown): value is Owner =>
  typeof value === 'object' &&
  value !== null &&
  'ownerPid' in value &&
  'ownerStarted' in value &&
  'serverPid' in value &&
  'serverStarted' in value &&
  typeof value.ownerPid === 'number' &&
  typeof value.serverPid === 'number';

const readOwner = async (file: string): Promise<Owner | undefined> => {
  const text = await readFile(file, 'utf8').catch(withoutCode('ENOENT'));
  if (text === undefined) return undefined;
  const value: unknown = JSON.parse(text);
  return isOwner(value) ? value : undefined;
};

/** Records that this process started the server `serverPid`. */
export const writeOwner = async (file: string, serverPid: number): Promise<void> => {
  const owner = {
    ownerPid: process.pid,
    ownerStarted: (await processStarted(process.pid)) ?? '',
    serverPid,
    serverStarted: (await processStarted(serverPid)) ?? '',
  } satisfies Owner;
  await writeFile(`${file}.${process.pid}`, JSON.stringify(owner), { mode: 0o644 });
  await rename(`${file}.${process.pid}`, file);
};

export const removeOwner = (file: string): Promise<void> => rm(file, { force: true });

/**
 * Stops a server whose starter has died and left it running.
 *
 * @throws DataInUse the starter is alive
 */
export const stopLeftover = async (file: string, dataDir: string): Promise<void> => {
  const owner = await readOwner(file);
  if (owner === undefined) return;
  if ((await processStarted(owner.serverPid)) === owner.serverStarted) {
    if ((await processStarted(owner.ownerPid)) === owner.ownerStarted) {
      throw new DataInUse(dataDir, owner.serverPid, `process ${owner.ownerPid}`);
    }
    signalIfAlive(owner.serverPid, 'SIGINT');
    if (!(await isGoneWithin(owner.serverPid, 20_000))) signalIfAlive(owner.serverPid, 'SIGKILL');
    await isGoneWithin(owner.serverPid, 5_000);
  }
  await removeOwner(file);
};
