/** How full the buckets are, and how many there may be. */
export interface BucketSize {
  /** Tokens that come back in a second. */
  readonly perSecond: number;
  /** Tokens of a full bucket: so many may be taken at once. */
  readonly burst: number;
  /** Most buckets that are kept; beyond it the oldest is forgotten, which fills it. */
  readonly most: number;
}

/**
 * A token bucket for each key, all of one size. A bucket is one number: the instant at which it will be full again. It costs
 * two look-ups in a map per token, needs no timer, and its memory is bounded.
 */
export class TokenBuckets {
  readonly #fullAtMs = new Map<string, number>();
  readonly #tokenMs: number;
  readonly #burst: number;
  readonly #most: number;

  constructor({ perSecond, burst, most }: BucketSize) {
    this.#tokenMs = 1_000 / perSecond;
    this.#burst = burst;
    this.#most = most;
  }

  /** How many buckets are kept. */
  get size(): number {
    return this.#fullAtMs.size;
  }

  /** Milliseconds until the key's bucket has a token; 0 where it has one. Takes none. */
  waitMs(key: string, nowMs: number): number {
    return this.#waitMs(this.#fullAt(key, nowMs), nowMs);
  }

  /** Takes a token and answers 0; without one it takes nothing and answers the milliseconds until there is one. */
  take(key: string, nowMs: number): number {
    const fullAtMs = this.#fullAt(key, nowMs);
    const waitMs = this.#waitMs(fullAtMs, nowMs);
    if (waitMs > 0) return waitMs;
    this.#fullAtMs.set(key, fullAtMs + this.#tokenMs);
    if (this.#fullAtMs.size > this.#most) this.#forgetOldest();
    return 0;
  }

  #fullAt(key: string, nowMs: number): number {
    return Math.max(this.#fullAtMs.get(key) ?? nowMs, nowMs);
  }

  #waitMs(fullAtMs: number, nowMs: number): number {
    const waitMs = fullAtMs - nowMs - (this.#burst - 1) * this.#tokenMs;
    // Sums of fractions are a little off; a bucket is never held back for that.
    return waitMs > 1e-6 ? waitMs : 0;
  }

  #forgetOldest(): void {
    const oldest = this.#fullAtMs.keys().next().value;
    if (oldest !== undefined) this.#fullAtMs.delete(oldest);
  }
}
