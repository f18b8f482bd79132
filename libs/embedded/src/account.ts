import { readFile, realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/** The unprivileged account that a server runs under. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

const accountNames = ['nobody', 'daemon'];

/**
 * The account Postgres must run under: `undefined` (our own) unless we are root, which Postgres refuses.
 * It has to be one that the system knows, because initdb looks its name up.
 */
export const serverAccount = async (): Promise<Account | undefined> => {
  if (process.getuid?.() !== 0) return undefined;
  const lines = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  for (const name of accountNames) {
    const [, , uid, gid] = lines.find((fields) => fields[0] === name) ?? [];
    if (Number(uid) > 0 && Number(gid) > 0) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new Error(
    `expected an account ${accountNames.join(' or ')} for Postgres, which refuses to run as root, got neither`,
  );
};

const othersMayEnter = 0o001;

/** Whether other accounts may walk into `folder`, which must exist, and every folder above it. */
export const isReachable = async (folder: string): Promise<boolean> => {
  let current = await realpath(folder);
  for (;;) {
    if (((await stat(current)).mode & othersMayEnter) === 0) return false;
    if (current === dirname(current)) return true;
    current = dirname(current);
  }
};
