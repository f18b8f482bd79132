import { chmod, lstat, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode, withoutCode } from './file-errors.ts';

const roots = ['/var/lib', '/var/tmp'];
const writableByOthers = 0o022;

/** A folder that other accounts may fill could hold a program of theirs, which we would then run. */
const isTrusted = async (folder: string): Promise<boolean> => {
  const found = await lstat(folder).catch(withoutCode('ENOENT'));
  return (
    found !== undefined && found.isDirectory() && found.uid === 0 && (found.mode & writableByOthers) === 0
  );
};

const made = async (folder: string): Promise<boolean> => {
  try {
    await mkdir(folder, { mode: 0o755 });
    await chmod(folder, 0o755);
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return true;
    if (hasCode(error, 'EROFS', 'EACCES', 'ENOENT', 'EPERM')) return false;
    throw error;
  }
};

/**
 * For root only: the folder that the server's account can reach, where the project's own folder is closed to it.
 * `/var/lib/signalbox`, which systems do not clean up by age, or `/var/tmp/signalbox` where that cannot be made.
 */
export const systemFolder = async (): Promise<string> => {
  for (const root of roots) {
    const folder = join(root, 'signalbox');
    if ((await made(folder)) && (await isTrusted(folder))) return folder;
  }
  throw new Error(
    `expected a folder "signalbox" of root, writable by root only, in ${roots.join(' or ')}, got neither`,
  );
};
