import type { Gateway } from './gateway.ts';
import { errorText, type Log } from './log.ts';
import { stopProcesses } from './process-group.ts';
import { canceledUnseen } from './progress.ts';
import { attemptKey, type AttemptEnd, type AttemptRef } from './wire.ts';

/**
 * Settles an attempt that the server believes to run here while nothing of it does: the answer to its claim or to its
 * end was lost, or a replica is behind. Tells its end again, or, when there is none and it is to be cancelled, that it is.
 * Says it once; the next poll shows whether that was enough.
 */
export const settleStray = async (from: {
  readonly gateway: Gateway;
  readonly ref: AttemptRef;
  readonly known: AttemptEnd | undefined;
  readonly giveUp: AbortSignal;
  readonly log: Log;
}): Promise<void> => {
  const { gateway, ref, known, giveUp, log } = from;
  try {
    const end = known ?? canceledUnseen(await stopProcesses({ groups: [], marker: attemptKey(ref) }, 0));
    await gateway.report(ref, { ...end, output: [] }, giveUp);
    log.warn('end told of an attempt that does not run here', { ...ref, status: end.status });
  } catch (error) {
    log.warn('end not told of an attempt that does not run here', { ...ref, error: errorText(error) });
  }
};
