import { backoffMs } from './backoff.ts';
import { isAttemptEnded, isCredentialRefused, Refused, type Gateway } from './gateway.ts';
import { errorText, type Log } from './log.ts';
import { pause } from './pause.ts';
import type { AttemptRef } from './wire.ts';

/** What the answer to a renewal may bring. */
export interface LeaseNews {
  /** The job is to be stopped. */
  onCancel(): void;
  /** The log has ended the attempt. */
  onEnded(): void;
}

/**
 * Renews the lease of one attempt every third of its life, whatever the work and its output do, until stopped.
 * When the server is away it keeps trying: a device goes on and resumes its lease.
 * @returns stops it
 */
export const keepLease = (
  gateway: Gateway,
  ref: AttemptRef,
  options: { readonly leaseMs: number; readonly log: Log; readonly news: LeaseNews },
): (() => void) => {
  const stop = new AbortController();
  const run = async () => {
    let { leaseMs } = options;
    let waitMs = leaseMs / 3;
    let failures = 0;
    for (;;) {
      await pause(waitMs, stop.signal);
      if (stop.signal.aborted) return;
      try {
        const renewed = await gateway.renew(ref, stop.signal);
        failures = 0;
        leaseMs = renewed.leaseMs;
        waitMs = leaseMs / 3;
        if (renewed.cancel) options.news.onCancel();
      } catch (error) {
        if (stop.signal.aborted) return;
        // A revoked machine's attempts have been ended by the log; its processes must not outlive that.
        if (isAttemptEnded(error) || isCredentialRefused(error)) return options.news.onEnded();
        failures += 1;
        const retryAfterMs = error instanceof Refused ? error.retryAfterMs : null;
        waitMs = backoffMs({ baseMs: 1_000, capMs: leaseMs / 3 }, failures, Math.random(), retryAfterMs);
        options.log.warn('lease not renewed', { ...ref, failures, error: errorText(error) });
      }
    }
  };
  void run();
  return () => stop.abort();
};
