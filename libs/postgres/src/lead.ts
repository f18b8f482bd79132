import { performance } from 'node:perf_hooks';
import type { Leadership, LeaseRow, Running } from '@signalbox/event-store';

/** What a leading replica is told and can say while it leads. */
export interface Term {
  /** True while the lease is held by the local clock; false at once after a pause that was too long. */
  holds(): boolean;
  /** Gives up this term because what runs has failed: it is stopped, the lease is given back, and all starts again. */
  fail(error: unknown): void;
}

export interface LeadOptions {
  readonly lease: LeaseRow;
  /** Starts what must run once. Called at the beginning of every term; a throw ends the term and is retried. */
  readonly onLead: (term: Term) => Promise<Running>;
  /** Told of every failure: of the lease's queries, of `onLead`, of what runs. Never throws. */
  readonly onError: (error: unknown) => void;
  /** Ends it all like `stop`. */
  readonly signal?: AbortSignal;
  /** Monotonic clock in milliseconds; for tests. */
  readonly now?: () => number;
  /** First and longest pause after a failed term in milliseconds; default 200 and 10 000. */
  readonly backoffMs?: { readonly first: number; readonly most: number };
}

type TermEnd = 'lost' | 'failed' | 'stopped';

/** Waits; earlier when the signal fires. */
const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });

/** Asks for the lease; answers until when it is held by the local clock, counted from before the question. */
const ask = async (options: LeadOptions, now: () => number): Promise<number | 'refused' | 'unknown'> => {
  const askedAt = now();
  try {
    return (await options.lease.acquire()) ? askedAt + options.lease.lifeMs : 'refused';
  } catch (error) {
    options.onError(error);
    return 'unknown';
  }
};

const attempt = async (work: () => Promise<void>, onError: (error: unknown) => void): Promise<void> => {
  try {
    await work();
  } catch (error) {
    onError(error);
  }
};

interface TermState {
  heldUntil: number;
  readonly ended: AbortController;
  end: TermEnd | undefined;
}

/** Renews until the term ends. Ends it a sixth of the life early, so that what runs has time to stop. */
const keep = async (
  options: LeadOptions,
  now: () => number,
  state: TermState,
  onEnd: (end: TermEnd) => void,
) => {
  const { lifeMs } = options.lease;
  const reserveMs = lifeMs / 6;
  let watch: NodeJS.Timeout | undefined;
  const watchEnd = (): void => {
    clearTimeout(watch);
    watch = setTimeout(() => onEnd('lost'), Math.max(0, state.heldUntil - reserveMs - now()));
  };
  watchEnd();
  while (state.end === undefined) {
    await pause(lifeMs / 3, state.ended.signal);
    if (state.end !== undefined) break;
    const answer = await ask(options, now);
    if (answer === 'refused') onEnd('lost');
    else if (answer !== 'unknown') {
      state.heldUntil = answer;
      watchEnd();
    }
  }
  clearTimeout(watch);
};

/** One term: from the lease taken to what ran stopped. */
const runTerm = async (
  options: LeadOptions,
  now: () => number,
  state: TermState,
  stop: AbortSignal,
): Promise<TermEnd> => {
  const onEnd = (end: TermEnd): void => {
    state.end ??= end;
    state.ended.abort();
  };
  const onStop = (): void => onEnd('stopped');
  stop.addEventListener('abort', onStop);
  if (stop.aborted) onStop();
  const term: Term = {
    holds: () => state.end === undefined && now() < state.heldUntil,
    fail: (error) => {
      options.onError(error);
      onEnd('failed');
    },
  };
  const keeping = keep(options, now, state, onEnd);
  try {
    const running = await options.onLead(term);
    await new Promise<void>((resolve) => {
      state.ended.signal.addEventListener('abort', () => resolve());
      if (state.ended.signal.aborted) resolve();
    });
    await attempt(() => running.stop(), options.onError);
  } catch (error) {
    term.fail(error);
  }
  stop.removeEventListener('abort', onStop);
  await keeping;
  return state.end ?? 'failed';
};

/**
 * Competes for a lease and runs `onLead` while it is held.
 *
 * ```
 * standing by ──taken──▶ leading ──refused, or not renewed in time──▶ stopping ──▶ standing by
 *      ▲                    └──onLead threw, or term.fail──▶ stopping, given back ──backoff──┘
 * ```
 *
 * Renews every third of the life. When renewal fails until shortly before the life's end by the local monotonic clock,
 * what runs is stopped; `isLeader` and `term.holds` are false at the end of the life even if the process was paused.
 */
export const lead = (options: LeadOptions): Leadership => {
  const now = options.now ?? (() => performance.now());
  const backoff = options.backoffMs ?? { first: 200, most: 10_000 };
  const stopping = new AbortController();
  const stop = options.signal ? AbortSignal.any([stopping.signal, options.signal]) : stopping.signal;
  let current: TermState | undefined;

  const oneTerm = async (heldUntil: number): Promise<TermEnd> => {
    current = { heldUntil, ended: new AbortController(), end: undefined };
    const end = await runTerm(options, now, current, stop);
    current = undefined;
    if (end !== 'lost') await attempt(() => options.lease.release(), options.onError);
    return end;
  };

  const compete = async (): Promise<void> => {
    let failures = 0;
    while (!stop.aborted) {
      const answer = await ask(options, now);
      if (typeof answer !== 'number') {
        await pause(options.lease.lifeMs / 3, stop);
        continue;
      }
      failures = (await oneTerm(answer)) === 'failed' ? failures + 1 : 0;
      if (failures > 0) await pause(Math.min(backoff.most, backoff.first * 2 ** (failures - 1)), stop);
    }
  };

  const done = compete();
  return {
    isLeader: () => current !== undefined && current.end === undefined && now() < current.heldUntil,
    stop: async () => {
      stopping.abort();
      await done;
    },
  };
};
