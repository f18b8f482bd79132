import { isPermanent, Refused, retryDelayMs, type Gateway } from './gateway.ts';
import type { Journal } from './journal.ts';
import type { JournalEntry } from './journal-notes.ts';
import { errorText, type Log } from './log.ts';
import { pause } from './pause.ts';
import { bootId, findProcess } from './proc.ts';
import { marked, stopProcesses } from './process-group.ts';
import type { Leftover } from './progress.ts';
import { attemptKey, type Offer } from './wire.ts';

/** An attempt that an earlier run of the agent did not bring to its end, and that is still open. */
export interface Recovered {
  /** What the server says of it now: the lease runs again. */
  readonly offer: Offer;
  readonly left: Leftover;
  /** The system was started anew meanwhile. */
  readonly isOtherBoot: boolean;
  /** Of the journal, without a torn line at its end. */
  readonly validBytes: number;
}

/** `nothing` to do; `forgotten`: there was an attempt, of which nothing is known; `given-up`: the agent has to go. */
export type Recovery = Recovered | 'nothing' | 'forgotten' | 'given-up';

/**
 * Stops what an earlier run left running of its step. A leader is known by its pid together with its start, within one life
 * of the system; the others by the marker in their environment.
 * @returns false when it could not be confirmed to be gone
 */
const stopLeftover = async (entry: JournalEntry): Promise<boolean> => {
  const { running } = entry;
  if (running === null || entry.end !== null) return true;
  const { leader, mayRerun } = running;
  const isOurs =
    leader !== null &&
    leader.startTicks !== null &&
    findProcess(leader.pid)?.startTicks === leader.startTicks;
  // What earlier steps left in sessions of their own stays for a step that runs again, and goes with an attempt that ends.
  const marker = { attempt: attemptKey(entry.ref), step: mayRerun ? entry.index + 1 : null };
  return stopProcesses({ groups: isOurs ? [leader.pid] : [], marker }, entry.killGraceMs);
};

/** Asks for the attempt until there is an answer. @returns null when the log has ended it, or the server never gives it */
const claimAgain = async (
  entry: JournalEntry,
  from: { readonly gateway: Gateway; readonly giveUp: AbortSignal; readonly log: Log },
): Promise<Offer | null | 'given-up'> => {
  for (let failures = 1; !from.giveUp.aborted; failures += 1) {
    try {
      return await from.gateway.claim(entry.ref, from.giveUp);
    } catch (error) {
      if (from.giveUp.aborted) break;
      const isOver = isPermanent(error) || (error instanceof Refused && error.status === 409);
      from.log.warn(isOver ? 'interrupted attempt had ended' : 'interrupted attempt not settled yet', {
        ...entry.ref,
        failures,
        error: errorText(error),
      });
      if (isOver) return null;
      await pause(retryDelayMs(error, failures), from.giveUp);
    }
  }
  return 'given-up';
};

/**
 * Finds out what an earlier run of the agent left and whether it still counts. Nothing is polled, run or reported before
 * that: what ran is stopped first, then the server is asked, which alone knows whether the attempt is open.
 */
export const recoverAttempt = async (from: {
  readonly gateway: Gateway;
  readonly journal: Journal;
  readonly giveUp: AbortSignal;
  readonly log: Log;
}): Promise<Recovery> => {
  const { journal, log } = from;
  const found = journal.read();
  if (found.kind === 'unreadable') {
    log.error('journal damaged: an attempt that was running here will be reported as interrupted');
    return 'forgotten';
  }
  if (found.kind === 'none') {
    journal.clear();
    return 'nothing';
  }
  const { entry, validBytes } = found;
  const boot = bootId();
  const isOtherBoot = boot !== null && entry.bootId !== null && entry.bootId !== boot;
  log.warn('found an attempt that was interrupted', {
    ...entry.ref,
    step: entry.index + 1,
    wasRunning: entry.running !== null,
    isOtherBoot,
  });
  const isGone = isOtherBoot || (await stopLeftover(entry));
  const offer = await claimAgain(entry, from);
  if (offer === 'given-up') return offer;
  if (offer === null) {
    // What an attempt that had ended by itself left in sessions of their own stays, as it does without a crash.
    if (!isOtherBoot && entry.end === null) await stopProcesses(marked(entry.ref), 0);
    journal.clear();
    return 'nothing';
  }
  const { index, executedSteps, running, end } = entry;
  return { offer, left: { index, executedSteps, running, isGone, end }, isOtherBoot, validBytes };
};
