import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { CancelAnswer, JobAccepted } from '@signalbox/contracts';
import { eventually } from '@signalbox/testkit';
import type { Answer, Client } from '@signalbox/tools/system';

export interface TrafficOptions {
  readonly client: Client;
  /** Jobs to create each second. */
  readonly perSecond: number;
  /** Most jobs that are being created or canceled at once, as with a client of so many connections; default: no limit. */
  readonly mostAtOnce?: number;
  /** The request of the job with this number. */
  readonly request: (index: number) => Readonly<Record<string, unknown>>;
  /** Whether this job is canceled after it is acknowledged. */
  readonly cancels: (index: number) => boolean;
  /** How long after it, in milliseconds; default 0. */
  readonly cancelAfterMs?: (index: number) => number;
  /** Told of each acknowledged job, with its number. */
  readonly onAcknowledged?: (index: number, jobId: string) => void;
}

/**
 * Jobs that are created all the time, as a program would do it that must not lose one: each request has an
 * Idempotency-Key and is repeated until it is answered 2xx. A refusal that no outage explains is a failure.
 */
export interface Traffic {
  /** Ids of the jobs that were acknowledged so far. */
  readonly acknowledged: ReadonlySet<string>;
  /** Ids of the jobs whose cancel was answered, with what the platform said of it. */
  readonly canceled: ReadonlyMap<string, string>;
  /** Requests that had to be repeated so far, and why. */
  readonly refusals: ReadonlyMap<string, number>;
  /** Resolves when this many more jobs were acknowledged. */
  flows(count: number): Promise<void>;
  /** Resolves when this many more requests were sent, whatever their answers are. */
  tries(count: number): Promise<void>;
  /** Sends no new request and resolves when the last one is acknowledged; throws what was not an outage. */
  stop(): Promise<void>;
}

const retryMs = 200;
/** Answers that an outage explains: the service behind the router is away, or a part of the system does not answer. */
const isOutage = (status: number): boolean => status === 503;

/** What the requests of one traffic have come to. */
class Tally {
  readonly acknowledged = new Set<string>();
  readonly canceled = new Map<string, string>();
  readonly refusals = new Map<string, number>();
  readonly failures: string[] = [];
  sent = 0;

  note(what: string): void {
    this.refusals.set(what, (this.refusals.get(what) ?? 0) + 1);
  }
}

/** Sends one request until it is answered 2xx, and answers the body. */
const insist = async (tally: Tally, send: () => Promise<Answer>): Promise<unknown> => {
  for (;;) {
    tally.sent += 1;
    const answer = await send().catch((error: unknown) =>
      error instanceof Error ? error.message : String(error),
    );
    if (typeof answer === 'string') {
      tally.note(answer);
    } else {
      if (answer.status < 300) return answer.body;
      tally.note(String(answer.status));
      if (!isOutage(answer.status)) tally.failures.push(`${answer.status} ${JSON.stringify(answer.body)}`);
    }
    await pause(retryMs);
  }
};

/** Waits until a count has grown. */
const more = async (what: string, count: () => number, by: number): Promise<void> => {
  const goal = count() + by;
  await eventually(() => count() >= goal, { what: `${by} more ${what}`, timeoutMs: 60_000 });
};

export const startTraffic = (options: TrafficOptions): Traffic => {
  const { client, perSecond, request, cancels, cancelAfterMs = () => 0, mostAtOnce = Infinity } = options;
  const tally = new Tally();
  const running = new Set<Promise<void>>();
  let index = 0;

  const createOne = async (): Promise<void> => {
    const number = index;
    index += 1;
    const headers = { 'idempotency-key': randomUUID() };
    const body = request(number);
    const accepted = await insist(tally, () => client.request('POST', '/api/v1/jobs', body, headers));
    const { jobId } = JobAccepted.parse(accepted);
    tally.acknowledged.add(jobId);
    options.onAcknowledged?.(number, jobId);
    if (!cancels(number)) return;
    await pause(cancelAfterMs(number));
    const answer = await insist(tally, () => client.request('POST', `/api/v1/jobs/${jobId}/cancel`, {}));
    tally.canceled.set(jobId, CancelAnswer.parse(answer).outcome);
  };
  const timer = setInterval(() => {
    if (running.size >= mostAtOnce) return;
    const work = createOne();
    running.add(work);
    void work.finally(() => running.delete(work));
  }, 1_000 / perSecond);

  return {
    acknowledged: tally.acknowledged,
    canceled: tally.canceled,
    refusals: tally.refusals,
    flows: (count) => more('acknowledged jobs', () => tally.acknowledged.size, count),
    tries: (count) => more('requests', () => tally.sent, count),
    stop: async () => {
      clearInterval(timer);
      await Promise.all(running);
      const [failure] = tally.failures;
      if (failure !== undefined)
        throw new Error(`expected 2xx or an outage, got ${tally.failures.length} others: ${failure}`);
    },
  };
};
