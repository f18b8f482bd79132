import { readFile, readdir } from 'node:fs/promises';

/** Processes whose parent is this one. */
const childrenOf = async (parent: number): Promise<readonly number[]> => {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      // A process may end while we look; it is no child then.
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
      const parentText = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1];
      return Number(parentText) === parent ? Number(pid) : undefined;
    }),
  );
  return found.filter((pid) => pid !== undefined);
};

const signal = (pid: number, name: 'SIGSTOP' | 'SIGCONT'): void => {
  try {
    process.kill(pid, name);
  } catch (error) {
    // It has ended meanwhile, as backends do.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
};

/** Stops the postmaster, then all its children, so that the whole server stands still; answers what lets it go on. */
export const pausePostgres = async (postmaster: number | undefined): Promise<() => Promise<void>> => {
  if (postmaster === undefined) throw new Error('expected a running Postgres, got none');
  signal(postmaster, 'SIGSTOP');
  const children = await childrenOf(postmaster);
  for (const pid of children) signal(pid, 'SIGSTOP');
  return () => {
    for (const pid of [...children, postmaster]) signal(pid, 'SIGCONT');
    return Promise.resolve();
  };
};
