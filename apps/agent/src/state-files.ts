import {
  closeSync,
  fsync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { isRecord, type Fields } from './answers.ts';

/** A file of the state folder that this program will not work with, and what to do about it. */
export class StateFileRefused extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'StateFileRefused';
  }
}

/** Makes the state folder, readable by its owner only. */
export const prepareStateDir = (folder: string): void => {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
};

const syncFolderNow = (folder: string): void => {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
};

/** Makes names that were added to a folder, or went from it, survive a power cut; holds up nothing else meanwhile. */
export const syncFolder = async (folder: string): Promise<void> => {
  const handle = openSync(folder, 'r');
  try {
    await new Promise<void>((resolve, reject) => {
      fsync(handle, (error) => (error === null ? resolve() : reject(error)));
    });
  } finally {
    closeSync(handle);
  }
};

/**
 * Replaces a file as a whole, mode 600: a reader finds the old or the new text, never a part.
 * @param isDurable also survives a power cut when this returns
 */
export const writeState = (path: string, value: unknown, isDurable: boolean): void => {
  const draft = `${path}.${process.pid}.new`;
  const handle = openSync(draft, 'w', 0o600);
  try {
    writeSync(handle, `${JSON.stringify(value)}\n`);
    if (isDurable) fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(draft, path);
  if (isDurable) syncFolderNow(dirname(path));
};

/** Removes a file of the state folder; nothing happens when there is none. */
export const removeState = (path: string): void => rmSync(path, { force: true });

/** Reads a file of the state folder; null when there is none. @throws StateFileRefused when it is no JSON object */
export const readState = (path: string): Fields | null => {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (!isRecord(value)) throw new StateFileRefused(`${path}: expected a JSON object, got something else`);
  return value;
};

/** Refuses a file that others may read or write. */
export const requirePrivate = (path: string): void => {
  const mode = statSync(path).mode & 0o777;
  if (process.platform === 'win32' || (mode & 0o077) === 0) return;
  throw new StateFileRefused(
    `${path}: expected a file that only its owner may read (mode 600), got mode ${mode.toString(8)}; run: chmod 600 ${path}`,
  );
};

export const credentialPath = (stateDir: string): string => join(stateDir, 'credential.json');
export const journalPath = (stateDir: string): string => join(stateDir, 'attempt.journal');
export const spoolFolder = (stateDir: string): string => join(stateDir, 'output');
export const pendingPath = (stateDir: string): string => join(stateDir, 'pending-credential.json');
export const authorityPath = (stateDir: string): string => join(stateDir, 'authority.json');
export const lockPath = (stateDir: string): string => join(stateDir, 'lock.json');
