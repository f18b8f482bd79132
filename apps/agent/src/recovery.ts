import type { Gateway } from './gateway.ts';
import type { Journal, JournalEntry } from './journal.ts';
import type { Log } from './log.ts';
import { bootId, findProcess } from './proc.ts';
import { stopProcesses } from './process-group.ts';
import { interruptedBefore } from './progress.ts';
import { reportEnd } from './report.ts';
import { attemptKey } from './wire.ts';

/** Stops what an earlier run of the agent left running. @returns false when it could not be confirmed to be gone */
const stopLeftover = async (entry: JournalEntry): Promise<boolean> => {
  const boot = bootId();
  if (boot === null || entry.bootId !== boot) return true; // the processes ended with the system
  const { leader } = entry;
  const isOurs =
    leader !== null &&
    leader.startTicks !== null &&
    findProcess(leader.pid)?.startTicks === leader.startTicks;
  const groups = isOurs ? [leader.pid] : [];
  return stopProcesses({ groups, marker: attemptKey(entry.ref) }, entry.killGraceMs);
};

/**
 * Settles the attempt that an earlier run of the agent did not bring to its end: its processes are stopped, its end is
 * reported, the journal is cleared. Nothing is polled before that, so that the attempt is not run a second time.
 */
export const settleLeftover = async (from: {
  readonly gateway: Gateway;
  readonly journal: Journal;
  readonly giveUp: AbortSignal;
  readonly log: Log;
}): Promise<void> => {
  const { gateway, journal, giveUp, log } = from;
  const entry = journal.read();
  if (entry === null) return journal.clear();
  log.warn('found an attempt that was interrupted', entry.ref);
  const isGone = await stopLeftover(entry);
  const reported = await reportEnd({
    gateway,
    ref: entry.ref,
    end: entry.end ?? interruptedBefore(isGone),
    output: null,
    trace: null,
    nextWaitMs: () => null,
    noNext: giveUp,
    giveUp,
    onDelay: () => undefined,
    log,
  });
  if (reported.kind !== 'given-up') journal.clear();
  log.info('interrupted attempt settled', { ...entry.ref, outcome: reported.kind });
};
