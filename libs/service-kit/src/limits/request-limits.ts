import { DomainError } from '@signalbox/contracts';
import type { FastifyRequest } from 'fastify';
import type { Clock } from '../clock.ts';
import type { Metrics } from '../metrics.ts';
import { callerAddress } from './caller-address.ts';
import { TokenBuckets } from './token-buckets.ts';

/** Most callers of each kind that one replica counts. */
const mostBuckets = 100_000;
/** A caller may be idle and then ask for so many seconds' worth at once. */
const burstSeconds = 2;

export interface RequestLimitOptions {
  /** Requests per second of one credential; 0 is no limit. */
  readonly perSecond: number;
  /** Failed attempts per minute of one address; 0 is no limit. */
  readonly failedAttemptsPerMinute: number;
  readonly trustedProxies: readonly string[];
}

const tooMany = (what: string, waitMs: number): DomainError => {
  const retryAfterSeconds = Math.max(1, Math.ceil(waitMs / 1_000));
  return new DomainError('too-many-requests', `${what}; try again in ${retryAfterSeconds} s`, {
    expected: { retryAfterSeconds },
  });
};

/**
 * What one replica takes from one caller. A credential that counts is limited by itself, wherever it is used; who has none
 * that counts is limited by address. Behind one address may be ten thousand devices, so an address that fails too often shuts
 * out only what this replica does not know already.
 */
export class RequestLimits {
  readonly #options: RequestLimitOptions;
  readonly #nowMs: () => number;
  readonly #credentials: TokenBuckets | undefined;
  readonly #failures: TokenBuckets | undefined;
  readonly #addressOf: ReturnType<typeof callerAddress>;
  readonly #refused: (limit: 'credential' | 'address') => void;

  constructor(options: RequestLimitOptions, { clock, metrics }: { clock: Clock; metrics: Metrics }) {
    const { perSecond, failedAttemptsPerMinute: perMinute, trustedProxies } = options;
    const sized = (rate: number, burst: number): TokenBuckets | undefined =>
      rate === 0 ? undefined : new TokenBuckets({ perSecond: rate, burst, most: mostBuckets });
    this.#options = options;
    this.#nowMs = () => clock.monotonicMs();
    this.#credentials = sized(perSecond, perSecond * burstSeconds);
    this.#failures = sized(perMinute / 60, perMinute);
    this.#addressOf = callerAddress(trustedProxies);
    const counter = metrics.counter('signalbox_refused_requests_total', 'Requests answered 429 by a limit', [
      'limit',
    ]);
    // Shown as 0 from the start, so that a first refusal is an increase.
    for (const limit of ['credential', 'address']) counter.inc({ limit }, 0);
    this.#refused = (limit) => counter.inc({ limit });
  }

  /** Counts a request of a credential that counts. @throws DomainError `too-many-requests` */
  admit(credentialId: string): void {
    const waitMs = this.#credentials?.take(credentialId, this.#nowMs()) ?? 0;
    if (waitMs === 0) return;
    this.#refused('credential');
    throw tooMany(
      `expected at most ${this.#options.perSecond} requests per second with one credential, got more`,
      waitMs,
    );
  }

  /** Before a credential or token is looked up that is not known here. @throws DomainError `too-many-requests` */
  admitStranger(request: FastifyRequest): void {
    if (this.#failures === undefined) return;
    const waitMs = this.#failures.waitMs(this.#addressOf(request.raw), this.#nowMs());
    if (waitMs > 0) throw this.#tooManyFailures(waitMs);
  }

  /** Counts a failed attempt; answers the refusal to give: the one at hand, or `too-many-requests`. */
  failed(request: FastifyRequest, refusal: DomainError): DomainError {
    if (this.#failures === undefined) return refusal;
    const waitMs = this.#failures.take(this.#addressOf(request.raw), this.#nowMs());
    return waitMs === 0 ? refusal : this.#tooManyFailures(waitMs);
  }

  #tooManyFailures(waitMs: number): DomainError {
    this.#refused('address');
    const { failedAttemptsPerMinute } = this.#options;
    return tooMany(
      `expected at most ${failedAttemptsPerMinute} failed attempts per minute from one address, got more`,
      waitMs,
    );
  }
}
