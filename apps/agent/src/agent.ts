import { Timings } from './attempt-trace.ts';
import { Attempt } from './attempt.ts';
import { isAttemptEnded, type Gateway } from './gateway.ts';
import { Journal } from './journal.ts';
import { keepLease } from './lease.ts';
import { errorText, type Log } from './log.ts';
import { Output } from './output.ts';
import { monotonicMs, pause } from './pause.ts';
import { paceMs, Polling } from './polling.ts';
import { settleLeftover } from './recovery.ts';
import { reportEnd, type Reported } from './report.ts';
import { OutputSender } from './sender.ts';
import { settleStray } from './strays.ts';
import {
  attemptKey,
  refOf,
  type AttemptEnd,
  type AttemptRef,
  type AttemptTrace,
  type Offer,
  type PollAnswer,
} from './wire.ts';

/** The poll beside a running attempt opens only after this long, so that a short job costs two requests. */
const watchAfterMs = 500;
/** When the agent has to go, the end of its attempt is tried for this long; the journal keeps it for the next start. */
const lastReportMs = 5_000;
/** So many ended attempts are remembered, in case a replica of the server that is behind offers one again. */
const rememberedEnds = 32;

export interface AgentOptions {
  readonly gateway: Gateway;
  readonly stateDir: string;
  readonly pollWaitMs: number;
  readonly drainMs: number;
  readonly outputBufferBytes: number;
  readonly inheritedEnvironment: Readonly<Record<string, string | undefined>>;
  readonly log: Log;
}

/** Runs the attempts of one enrolled machine, one after the other, until it is drained. */
export class Agent {
  readonly #options: AgentOptions;
  readonly #journal: Journal;
  readonly #polling: Polling;
  readonly #draining = new AbortController();
  readonly #interrupted = new AbortController();
  readonly #ends = new Map<string, AttemptEnd>();
  #attempt: Attempt | null = null;

  constructor(options: AgentOptions) {
    this.#options = options;
    this.#journal = new Journal(options.stateDir);
    this.#polling = new Polling(options.gateway, options.log);
  }

  /** Resolves when it is drained: no process of an attempt is left. */
  async run(): Promise<void> {
    const { gateway, log } = this.#options;
    await settleLeftover({ gateway, journal: this.#journal, giveUp: this.#draining.signal, log });
    let answer: PollAnswer | null = null;
    while (!this.#draining.signal.aborted) {
      const askedMs = monotonicMs();
      answer ??= await this.#poll();
      if (answer === null || this.#draining.signal.aborted) break;
      for (const ref of answer.cancel) await this.#settleStray(ref);
      const next: PollAnswer | null = answer.offer === null ? null : await this.#take(answer.offer);
      if (next === null) await pause(paceMs(answer, monotonicMs() - askedMs), this.#draining.signal);
      answer = next;
    }
  }

  /** Takes nothing new; the running attempt may end within the drain time. */
  drain(): void {
    if (this.#draining.signal.aborted) return;
    this.#draining.abort();
    setTimeout(() => this.interrupt(), this.#options.drainMs).unref();
  }

  /** Stops the running attempt; it is reported as interrupted. */
  interrupt(): void {
    this.#draining.abort();
    this.#interrupted.abort();
    this.#attempt?.stop('interrupted');
  }

  /** Kills the processes of the running attempt without waiting. */
  killNow(): void {
    this.#attempt?.killNow();
  }

  #poll(): Promise<PollAnswer | null> {
    const body = { waitMs: this.#options.pollWaitMs, claim: true, accept: true, holding: [] };
    return this.#polling.ask(body, this.#draining.signal);
  }

  #settleStray(ref: AttemptRef): Promise<void> {
    const { gateway, log } = this.#options;
    const known = this.#ends.get(attemptKey(ref));
    return settleStray({ gateway, ref, known, giveUp: this.#draining.signal, log });
  }

  /** Runs what is offered. @returns what the server said at its end, if it did */
  async #take(offer: Offer): Promise<PollAnswer | null> {
    const { gateway, log } = this.#options;
    const ref = refOf(offer);
    if (this.#ends.has(attemptKey(ref))) {
      await this.#settleStray(ref);
      return null;
    }
    try {
      const claimed = offer.claimed ? offer : await gateway.claim(ref);
      return await this.#work(claimed);
    } catch (error) {
      log.warn(isAttemptEnded(error) ? 'attempt had ended' : 'attempt not taken', {
        ...ref,
        error: errorText(error),
      });
      return null;
    }
  }

  async #work(offer: Offer): Promise<PollAnswer | null> {
    const { gateway, log, outputBufferBytes, inheritedEnvironment } = this.#options;
    const output = new Output(outputBufferBytes);
    const timings = new Timings();
    const attempt = new Attempt({ offer, output, journal: this.#journal, timings, inheritedEnvironment });
    const { ref } = attempt;
    this.#attempt = attempt;
    log.info('attempt started', { ...ref, resumed: offer.resumed });
    const sender = new OutputSender(gateway, ref, output, log, timings);
    const onEnded = () => attempt.stop('dropped');
    sender.start(onEnded);
    const news = { onEnded, onCancel: () => attempt.stop('canceled') };
    const stopLease = keepLease(gateway, ref, { leaseMs: offer.leaseMs, log, news });
    const stopWatch = this.#watch(attempt);
    try {
      const end = await attempt.run();
      await stopWatch();
      await sender.stop();
      log.info('attempt ended', {
        ...ref,
        status: end.status,
        reason: end.reason.code,
        exitCode: end.exitCode,
      });
      const reported = await this.#report(
        attempt,
        end,
        { kept: output, sender },
        timings.trace(offer.traceparent),
      );
      log.info('attempt settled', { ...ref, outcome: reported.kind });
      return reported.kind === 'taken' ? reported.next : null;
    } finally {
      stopLease();
      this.#attempt = null;
    }
  }

  async #report(
    attempt: Attempt,
    end: AttemptEnd,
    output: { readonly kept: Output; readonly sender: OutputSender },
    trace: AttemptTrace | null,
  ): Promise<Reported> {
    const { gateway, log, pollWaitMs } = this.#options;
    const giveUp = new AbortController();
    const limit = () => setTimeout(() => giveUp.abort(), lastReportMs).unref();
    if (this.#interrupted.signal.aborted) limit();
    this.#interrupted.signal.addEventListener('abort', limit, { once: true });
    const reported: Reported =
      attempt.stopCause === 'dropped'
        ? { kind: 'ended' }
        : await reportEnd({
            gateway,
            ref: attempt.ref,
            end,
            output,
            trace,
            nextWaitMs: () => pollWaitMs,
            noNext: this.#draining.signal,
            giveUp: giveUp.signal,
            onDelay: () => this.#journal.noteEnd(end),
            log,
          });
    this.#interrupted.signal.removeEventListener('abort', limit);
    if (reported.kind === 'given-up') this.#journal.noteEnd(end);
    else this.#journal.clear();
    this.#remember(attemptKey(attempt.ref), end);
    return reported;
  }

  #remember(key: string, end: AttemptEnd): void {
    this.#ends.set(key, end);
    const [oldest] = this.#ends.keys();
    if (this.#ends.size > rememberedEnds && oldest !== undefined) this.#ends.delete(oldest);
  }

  /** Keeps a poll open beside the attempt, so that a cancel arrives at once. @returns ends it */
  #watch(attempt: Attempt): () => Promise<void> {
    const stop = new AbortController();
    const body = { waitMs: this.#options.pollWaitMs, claim: true, accept: false, holding: [attempt.ref] };
    const key = attemptKey(attempt.ref);
    const run = async () => {
      await pause(watchAfterMs, stop.signal);
      while (!stop.signal.aborted) {
        const askedMs = monotonicMs();
        // The log ends the attempts of a revoked machine; its processes must not outlive that.
        const answer = await this.#polling.ask(body, stop.signal, () => attempt.stop('dropped'));
        if (answer === null) return;
        if (answer.drop.some((each) => attemptKey(each) === key)) attempt.stop('dropped');
        else if (answer.cancel.some((each) => attemptKey(each) === key)) attempt.stop('canceled');
        await pause(paceMs(answer, monotonicMs() - askedMs), stop.signal);
      }
    };
    const running = run();
    return async () => {
      stop.abort();
      await running;
    };
  }
}
