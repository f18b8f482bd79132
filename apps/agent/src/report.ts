import { isAttemptEnded, isOutputRefused, isPermanent, retryDelayMs, type Gateway } from './gateway.ts';
import { errorText, type Log } from './log.ts';
import type { Output } from './output.ts';
import { pause } from './pause.ts';
import { OutputLost, resumeFrom, type OutputSender } from './sender.ts';
import type { Batch } from './spool.ts';
import {
  wireLimits,
  type AttemptEnd,
  type AttemptRef,
  type AttemptTrace,
  type PollAnswer,
  type ReportStatus,
} from './wire.ts';

/**
 * `taken`: the server has it, and perhaps said what is next. `ended`: the log had ended the attempt, or the server
 * will never take it. `given-up`: the agent has to go before the server answered.
 */
export type Reported =
  { readonly kind: 'taken'; readonly next: PollAnswer | null } | { readonly kind: 'ended' | 'given-up' };

export interface Report {
  readonly gateway: Gateway;
  readonly ref: AttemptRef;
  readonly end: AttemptEnd;
  /** Null when nothing of it is known here. */
  readonly output: { readonly kept: Output; readonly sender: OutputSender } | null;
  /** When the parts of the attempt ran; null where nobody records it. */
  readonly trace: AttemptTrace | null;
  /** How long to wait for the next job in the same request; null asks for none. Asked before each request. */
  readonly nextWaitMs: () => number | null;
  /** Fires when waiting for a next job makes no sense any more. */
  readonly noNext: AbortSignal;
  /** Fires when the agent has to go. */
  readonly giveUp: AbortSignal;
  readonly log: Log;
}

const incomplete = ' (its output is incomplete)';

const bodyOf = (
  { end, trace }: Pick<Report, 'end' | 'trace'>,
  output: Output | null,
  last: Batch | null,
  nextWaitMs: number | null,
): ReportStatus => {
  const isIncomplete = output === null || output.hasUnmarkedLoss;
  const reason =
    isIncomplete && end.reason.code !== 'interrupted'
      ? {
          ...end.reason,
          message: end.reason.message.slice(0, wireLimits.reasonMessage - incomplete.length) + incomplete,
        }
      : end.reason;
  return {
    ...end,
    reason,
    output: last?.chunks ?? [],
    ...(output === null ? {} : { outputBytes: output.spool.totalBytes, outputHash: output.spool.hash }),
    ...(nextWaitMs === null ? {} : { next: { waitMs: nextWaitMs } }),
    ...(trace === null ? {} : { trace }),
  };
};

/** Sends what is left of the output, then the end with the last of it, until the server has taken it. */
export const reportEnd = async (report: Report): Promise<Reported> => {
  const { gateway, ref, giveUp, noNext } = report;
  let output = report.output;
  let failures = 0;
  while (!giveUp.aborted) {
    const request = new AbortController();
    const abandon = () => request.abort();
    giveUp.addEventListener('abort', abandon, { once: true });
    const nextWaitMs = noNext.aborted ? null : report.nextWaitMs();
    if (nextWaitMs !== null) noNext.addEventListener('abort', abandon, { once: true });
    try {
      const batch = output === null ? null : output.sender.next();
      if (output !== null && batch !== null && !batch.isLast) {
        await output.sender.sendBatch(batch, request.signal);
      } else {
        const taken = await gateway.report(
          ref,
          bodyOf(report, output?.kept ?? null, batch, nextWaitMs),
          request.signal,
        );
        return { kind: 'taken', next: taken.next };
      }
      failures = 0;
    } catch (error) {
      if (isAttemptEnded(error)) return { kind: 'ended' };
      if (request.signal.aborted) continue;
      failures += 1;
      report.log.warn('end of attempt not taken', { ...ref, failures, error: errorText(error) });
      if (isPermanent(error) && output === null) return { kind: 'ended' };
      if (!canKeepOutput(output, error, failures)) output = null;
      await pause(isOutputRefused(error) ? 0 : retryDelayMs(error, failures), giveUp);
    } finally {
      giveUp.removeEventListener('abort', abandon);
      noNext.removeEventListener('abort', abandon);
    }
  }
  return { kind: 'given-up' };
};

/** Whether the output can still become complete after this failure; resumes it where the server says. */
const canKeepOutput = (output: Report['output'], error: unknown, failures: number): boolean => {
  if (output === null || error instanceof OutputLost || isPermanent(error)) return false;
  if (!isOutputRefused(error)) return true;
  if (failures > 5) return false;
  try {
    resumeFrom(output.kept, error);
    return true;
  } catch (lost) {
    if (lost instanceof OutputLost) return false;
    throw lost;
  }
};
