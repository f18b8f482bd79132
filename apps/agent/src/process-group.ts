import { attemptKey, type AttemptRef } from './wire.ts';
import { monotonicMs, pause } from './pause.ts';
import { hasMarker, hasProc, listProcesses, type Marker } from './proc.ts';

/** What belongs to an attempt: groups that it leads, and everything that carries its marker. */
export interface Belonging {
  /** Process groups (and sessions) started for the attempt. */
  readonly groups: readonly number[];
  /** Also those that left the groups; null looks at the groups only. */
  readonly marker: Marker | null;
}

/** All that carries the marker of an attempt, and nothing else. */
export const marked = (ref: AttemptRef): Belonging => ({
  groups: [],
  marker: { attempt: attemptKey(ref), step: null },
});

/** After KILL, processes are waited for this long before their state is called unknown. */
const confirmMs = 5_000;

const signal = (pid: number, name: 'SIGTERM' | 'SIGKILL' | 'SIGCONT' | 0): boolean => {
  try {
    return process.kill(pid, name);
  } catch (error) {
    // A process of another user (EPERM) is there; anything else means that there is none.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
};

/**
 * What still runs, as numbers for kill(2): minus its id for a group that is ours, the pid for a process outside of them.
 * A group is named only while a process of it is seen, so that a reused number is not hit.
 */
export const survivors = ({ groups, marker }: Belonging): readonly number[] => {
  if (!hasProc()) return groups.filter((group) => signal(-group, 0)).map((group) => -group);
  const left = new Set<number>();
  for (const { pid, group, session } of listProcesses()) {
    if (groups.includes(group)) left.add(-group);
    else if (groups.includes(session)) left.add(pid);
    else if (marker !== null && pid !== process.pid && hasMarker(pid, marker)) left.add(pid);
  }
  return [...left];
};

const signalAll = (left: readonly number[], name: 'SIGTERM' | 'SIGKILL'): void => {
  for (const each of left) signal(each, name);
  // A stopped process takes its TERM only once it goes on.
  if (name === 'SIGTERM') for (const each of left) signal(each, 'SIGCONT');
};

/**
 * Stops all that belongs to an attempt: TERM, `graceMs`, KILL until none is left.
 * @returns true when all are confirmed gone, false when one is still there 5 s after the first KILL
 */
export const stopProcesses = async (belonging: Belonging, graceMs: number): Promise<boolean> => {
  const start = monotonicMs();
  let left = survivors(belonging);
  if (left.length > 0 && graceMs > 0) signalAll(left, 'SIGTERM');
  while (left.length > 0 && monotonicMs() - start < graceMs) {
    await pause(Math.min(50, graceMs));
    left = survivors(belonging);
  }
  const killStart = monotonicMs();
  while (left.length > 0 && monotonicMs() - killStart < confirmMs) {
    signalAll(left, 'SIGKILL');
    await pause(20);
    left = survivors(belonging);
  }
  return left.length === 0;
};

/** Kills what belongs to an attempt without waiting; for the last moment of this program. */
export const killNow = (belonging: Belonging): void => signalAll(survivors(belonging), 'SIGKILL');
