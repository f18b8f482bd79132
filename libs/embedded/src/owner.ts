import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
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
  /** Of the server, or of its starter where that has not started it yet. */
  readonly pid: number;
  constructor(dataDir: string, pid: number, by: string) {
    super(`expected ${dataDir} to be free, got it in use (pid ${pid}, started by ${by})`);
    this.name = 'DataInUse';
    this.dataDir = dataDir;
    this.pid = pid;
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

/** The record; undefined when there is none or, after a crash of the machine, none that can be read. */
const readOwner = async (file: string): Promise<Owner | undefined> => {
  const text = await readFile(file, 'utf8').catch(withoutCode('ENOENT'));
  try {
    const value: unknown = JSON.parse(text ?? 'null');
    return isOwner(value) ? value : undefined;
  } catch {
    return undefined;
  }
};

/** Writes a record to a file of its own, so that it can be put in place as a whole. */
const prepareRecord = async (file: string, serverPid: number): Promise<string> => {
  const owner = {
    ownerPid: process.pid,
    ownerStarted: (await processStarted(process.pid)) ?? '',
    serverPid,
    serverStarted: (await processStarted(serverPid)) ?? '',
  } satisfies Owner;
  const prepared = `${file}.${randomUUID()}`;
  await writeFile(prepared, JSON.stringify(owner));
  return prepared;
};

/** Stands for the server in the record of a starter that has not started it yet. */
const noServer = 0;

/** Stops a server whose starter has died and left it running. */
const stopLeftover = async (file: string, dataDir: string): Promise<void> => {
  const owner = await readOwner(file);
  if (owner === undefined) return rm(file, { force: true });
  const { ownerPid, ownerStarted, serverPid, serverStarted } = owner;
  const isServerAlive = serverPid !== noServer && (await processStarted(serverPid)) === serverStarted;
  const isOwnerAlive = (await processStarted(ownerPid)) === ownerStarted;
  if (isOwnerAlive && (isServerAlive || serverPid === noServer)) {
    throw new DataInUse(dataDir, serverPid || ownerPid, `process ${ownerPid}`);
  }
  if (isServerAlive) {
    signalIfAlive(serverPid, 'SIGINT');
    if (!(await isGoneWithin(serverPid, 20_000))) signalIfAlive(serverPid, 'SIGKILL');
    await isGoneWithin(serverPid, 5_000);
  }
  await rm(file, { force: true });
};

/**
 * Takes data for a server that this process is about to start; a server that a dead starter has left on them is stopped.
 *
 * @param file the record beside the data
 * @throws DataInUse another living process has taken them
 */
export const claimData = async (file: string, dataDir: string): Promise<void> => {
  await stopLeftover(file, dataDir);
  const prepared = await prepareRecord(file, noServer);
  try {
    await link(prepared, file);
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
    throw new DataInUse(dataDir, (await readOwner(file))?.ownerPid ?? 0, 'another process');
  } finally {
    await rm(prepared, { force: true });
  }
};

/** Adds the started server to the record of `claimData`. */
export const recordServer = async (file: string, serverPid: number): Promise<void> => {
  await rename(await prepareRecord(file, serverPid), file);
};

/**
 * Gives data free that this process had claimed, once the server is not running. Nothing happens if by then somebody
 * else has claimed them.
 *
 * @param serverPid of the server that was recorded last, if one was
 */
export const releaseData = async (file: string, serverPid: number = noServer): Promise<void> => {
  const owner = await readOwner(file);
  const isOurs = owner?.ownerPid === process.pid && [serverPid, noServer].includes(owner.serverPid);
  if (isOurs) await rm(file, { force: true });
};
