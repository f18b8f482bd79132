import type { Gateway } from './gateway.ts';
import { errorText, type Log } from './log.ts';
import { marked, stopProcesses } from './process-group.ts';
import type { AttemptEnd, AttemptRef } from './wire.ts';

/**
 * Settles an attempt that the server believes to run here while nothing of it does: the answer to its claim or to its
 * end was lost, a replica is behind, or what this agent knew of it is gone. Tells its end again, or what became of it.
 * Says it once; the next poll shows whether that was enough.
 */
export const settleStray = async (from: {
  readonly gateway: Gateway;
  readonly ref: AttemptRef;
  readonly known: AttemptEnd | undefined;
  /** The end when none is known, once its processes are gone or could not be confirmed to be. */
  readonly unseenEnd: (isGone: boolean) => AttemptEnd;
  readonly giveUp: AbortSignal;
  readonly log: Log;
}): Promise<void> => {
  const { gateway, ref, known, unseenEnd, giveUp, log } = from;
  try {
    const end = known ?? unseenEnd(await stopProcesses(marked(ref), 0));
    await gateway.report(ref, { ...end, output: [] }, giveUp);
    log.warn('end told of an attempt that does not run here', { ...ref, status: end.status });
  } catch (error) {
    log.warn('end not told of an attempt that does not run here', { ...ref, error: errorText(error) });
  }
};
