import { performance } from 'node:perf_hooks';

/** The only way to the time. Nothing else in the services reads a clock. */
export abstract class Clock {
  /** Now, ISO-8601 in UTC with milliseconds. */
  abstract now(): string;
  /** Now, milliseconds since 1970. */
  abstract nowMs(): number;
  /** Milliseconds since an arbitrary start; never goes back, so it measures durations. */
  abstract monotonicMs(): number;
}

class SystemClock extends Clock {
  now(): string {
    return new Date().toISOString();
  }
  nowMs(): number {
    return Date.now();
  }
  monotonicMs(): number {
    return performance.now();
  }
}

export const systemClock: Clock = new SystemClock();
