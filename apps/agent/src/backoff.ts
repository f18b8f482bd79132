/** Waiting between tries grows from `baseMs`, doubling, up to `capMs`. */
export interface BackoffRule {
  readonly baseMs: number;
  readonly capMs: number;
}

/** For a server that is away or overloaded: soon back after a short outage, spread out after a long one. */
export const outageBackoff: BackoffRule = { baseMs: 500, capMs: 15_000 };

/** For a credential that is refused: somebody has to act, so seldom is enough. */
export const refusalBackoff: BackoffRule = { baseMs: 2_000, capMs: 60_000 };

const leastMs = 100;

/**
 * Milliseconds to wait before the next try: full jitter, at least 100 ms and at least what the server asked for.
 * @param failures tries that failed in a row, 1 or more
 * @param random a number from 0 to 1
 */
export const backoffMs = (
  rule: BackoffRule,
  failures: number,
  random: number,
  retryAfterMs: number | null = null,
): number => {
  const ceilingMs = Math.min(rule.capMs, rule.baseMs * 2 ** Math.min(failures - 1, 30));
  return Math.max(leastMs, Math.round(ceilingMs * random), retryAfterMs ?? 0);
};

/** `Retry-After` in milliseconds, given in seconds or as an HTTP date; null when absent or unreadable. At most one hour. */
export const parseRetryAfter = (header: string | undefined, nowMs: number): number | null => {
  if (header === undefined) return null;
  const seconds = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - nowMs;
  return Number.isNaN(seconds) ? null : Math.min(Math.max(seconds, 0), 3_600_000);
};
