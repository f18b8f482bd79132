import { setTimeout as delay } from 'node:timers/promises';

export interface Patience {
  /** Names what is waited for in the error. */
  readonly what?: string;
  /** Default 10 000. */
  readonly timeoutMs?: number;
  /** Pause between two checks; default 20. */
  readonly everyMs?: number;
}

/**
 * Repeats a check until it holds and answers its value. It does not hold yet while it throws or answers `false` or
 * `null`; so it may be a condition or a list of expectations.
 *
 * @throws Error the check did not hold in time; `cause` is what it threw last
 */
export const eventually = async <T>(
  check: () => T | Promise<T>,
  { what = 'the check to hold', timeoutMs = 10_000, everyMs = 20 }: Patience = {},
): Promise<Exclude<T, false | null>> => {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    let cause: unknown;
    try {
      const value = await check();
      if (isPresent(value)) return value;
      cause = new Error(`got ${String(value)}`);
    } catch (error) {
      cause = error;
    }
    if (performance.now() >= deadline) {
      const got = cause instanceof Error ? cause.message : String(cause);
      throw new Error(`expected ${what} within ${timeoutMs} ms, got: ${got}`, { cause });
    }
    await delay(everyMs);
  }
};

const isPresent = <T>(value: T): value is Exclude<T, false | null> => value !== false && value !== null;
