import { closeSync, openSync, writeSync } from 'node:fs';
import type { Fields } from './answers.ts';
import { bootId, findProcess } from './proc.ts';
import { lockPath, readState, removeState, StateFileRefused } from './state-files.ts';

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
};

const readLock = (path: string): Fields | null => {
  try {
    return readState(path);
  } catch (error) {
    if (error instanceof StateFileRefused) return null; // a power cut left it unwritten
    throw error;
  }
};

/** True when the process that wrote the lock still runs: the same pid, started at the same tick of the same boot. */
const isHeld = (path: string): boolean => {
  const lock = readLock(path);
  if (lock === null || typeof lock.pid !== 'number' || lock.bootId !== bootId()) return false;
  if (lock.pid === process.pid || !isAlive(lock.pid)) return false;
  const holder = findProcess(lock.pid);
  return holder === undefined || holder.startTicks === lock.startTicks;
};

/**
 * Takes the state folder for this process, so that two agents never run the same attempt. The lock of a process that
 * is gone is taken over.
 * @returns gives it back
 * @throws StateFileRefused while another agent holds it
 */
export const lockStateDir = (stateDir: string): (() => void) => {
  const path = lockPath(stateDir);
  for (let tries = 0; tries < 3; tries += 1) {
    try {
      const handle = openSync(path, 'wx', 0o600);
      const startTicks = findProcess(process.pid)?.startTicks ?? null;
      writeSync(handle, `${JSON.stringify({ pid: process.pid, startTicks, bootId: bootId() })}\n`);
      closeSync(handle);
      return () => removeState(path);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
      if (isHeld(path)) break;
      removeState(path);
    }
  }
  throw new StateFileRefused(
    `${stateDir}: expected a state folder of this agent alone, got one that another running agent holds; use --state-dir`,
  );
};
