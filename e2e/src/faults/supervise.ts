import type { Program } from '@signalbox/tools/system';
import { startUntilReady } from './inject.ts';

/** Looks after processes as systemd or Kubernetes would: one that ends by itself is noted and started again. */
export interface Supervisor {
  /** What ended by itself so far, a line each. */
  readonly crashes: readonly string[];
  /** While `work` runs these programs may end: we are the ones who end them. */
  expecting<T>(programs: readonly string[], work: () => Promise<T>): Promise<T>;
  stop(): Promise<void>;
}

const everyMs = 300;

const isAlive = (pid: number | undefined): boolean => {
  if (pid === undefined) return false;
  try {
    return process.kill(pid, 0);
  } catch {
    // There is no such process.
    return false;
  }
};

export const supervise = (programs: readonly Program[]): Supervisor => {
  const expected = new Map<string, number>();
  const crashes: string[] = [];
  const restarts = new Set<Promise<void>>();
  const busy = new Set<string>();
  const restart = async (program: Program): Promise<void> => {
    crashes.push(`${program.name} ended by itself: ${await program.exited()}`);
    await startUntilReady(program);
    busy.delete(program.name);
  };
  const timer = setInterval(() => {
    for (const program of programs) {
      if (busy.has(program.name) || (expected.get(program.name) ?? 0) > 0 || isAlive(program.pid)) continue;
      busy.add(program.name);
      const work = restart(program).catch((error: unknown) => {
        crashes.push(error instanceof Error ? error.message : String(error));
      });
      restarts.add(work);
    }
  }, everyMs);
  return {
    crashes,
    expecting: async (names, work) => {
      const count = (by: number): void =>
        names.forEach((name) => expected.set(name, (expected.get(name) ?? 0) + by));
      count(1);
      try {
        return await work();
      } finally {
        count(-1);
      }
    },
    stop: async () => {
      clearInterval(timer);
      await Promise.all(restarts);
    },
  };
};
