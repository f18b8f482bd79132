import { Timings } from './attempt-trace.ts';
import { Attempt } from './attempt.ts';
import { isAttemptEnded, type Gateway } from './gateway.ts';
import { Journal } from './journal.ts';
import { keepLease } from './lease.ts';
import { errorText, type Log } from './log.ts';
import { Output } from './output.ts';
import { monotonicMs, pause } from './pause.ts';
import { paceMs, Polling } from './polling.ts';
import { canceledUnseen, interruptedBefore } from './progress.ts';
import { recoverAttempt, type Recovered } from './recovery.ts';
import { reportEnd, type Reported } from './report.ts';
import { OutputSender } from './sender.ts';
import { Spool } from './spool.ts';
import { spoolFolder } from './state-files.ts';
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

/** What running an attempt left for its report. */
interface WorkDone {
  readonly kept: Output;
  readonly sender: OutputSender;
  readonly trace: AttemptTrace | null;
}

export interface AgentOptions {
  readonly gateway: Gateway;
  readonly stateDir: string;
  readonly pollWaitMs: number;
  readonly drainMs: number;
  readonly outputSpoolBytes: number;
  readonly niceness: number;
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
  /** True while the journal of an earlier run is there and says nothing. */
  #hasForgotten = false;

  constructor(options: AgentOptions) {
    this.#options = options;
    this.#journal = new Journal(options.stateDir);
    this.#polling = new Polling(options.gateway, options.log);
  }

  /** Resolves when it is drained: no process of an attempt is left. */
  async run(): Promise<void> {
    const { gateway, log } = this.#options;
    const giveUp = this.#draining.signal;
    const found = await recoverAttempt({ gateway, journal: this.#journal, giveUp, log });
    if (found === 'given-up') return;
    if (found === 'nothing') this.#forget();
    this.#hasForgotten = found === 'forgotten';
    let answer = typeof found === 'string' ? null : await this.#work(found.offer, found);
    while (!this.#draining.signal.aborted) {
      const askedMs = monotonicMs();
      answer ??= await this.#poll();
      if (answer === null || this.#draining.signal.aborted) break;
      for (const ref of answer.cancel) await this.#settleStray(ref, canceledUnseen);
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

  #settleStray(ref: AttemptRef, unseenEnd: (isGone: boolean) => AttemptEnd): Promise<void> {
    const { gateway, log } = this.#options;
    const known = this.#ends.get(attemptKey(ref));
    return settleStray({ gateway, ref, known, unseenEnd, giveUp: this.#draining.signal, log });
  }

  /** Whether an attempt of which this agent knows nothing may have run here before. */
  #mayHaveRun(offer: Offer): boolean {
    const hasForgotten = this.#hasForgotten;
    this.#hasForgotten = false;
    return offer.resumed && (hasForgotten || (offer.output?.nextSequence ?? 1) > 1);
  }

  /** Runs what is offered. @returns what the server said at its end, if it did */
  async #take(offer: Offer): Promise<PollAnswer | null> {
    const { gateway, log } = this.#options;
    const ref = refOf(offer);
    if (this.#ends.has(attemptKey(ref)) || this.#mayHaveRun(offer)) {
      await this.#settleStray(ref, interruptedBefore);
      this.#forget();
      return null;
    }
    try {
      const claimed = offer.claimed ? offer : await gateway.claim(ref);
      return await this.#work(claimed, null);
    } catch (error) {
      log.warn(isAttemptEnded(error) ? 'attempt had ended' : 'attempt not taken', {
        ...ref,
        error: errorText(error),
      });
      return null;
    }
  }

  async #work(offer: Offer, found: Recovered | null): Promise<PollAnswer | null> {
    const { gateway, log } = this.#options;
    const output = this.#outputOf(offer, found);
    const timings = new Timings(Math.max(0, offer.runTimeoutMs - offer.remainingMs));
    const attempt = new Attempt({
      ...this.#options,
      offer,
      output,
      journal: this.#journal,
      timings,
      left: found?.left ?? null,
    });
    const { ref } = attempt;
    this.#attempt = attempt;
    if (this.#interrupted.signal.aborted) attempt.stop('interrupted');
    log.info('attempt started', { ...ref, resumed: offer.resumed, goesOn: found !== null });
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
      await output.sync();
      if (end !== null) {
        const trace = timings.trace(offer.traceparent);
        return await this.#settle(attempt, end, { kept: output, sender, trace });
      }
      if (attempt.stopCause === 'dropped') this.#forget(output.spool);
      else log.info('attempt interrupted: it goes on after the next start', { ...ref });
      return null;
    } finally {
      stopLease();
      this.#attempt = null;
    }
  }

  /** The output of an attempt that begins, or of one that goes on where the server and the disk stand. */
  #outputOf(offer: Offer, found: Recovered | null): Output {
    const output = new Output(this.#openSpool(), this.#options.log);
    const key = attemptKey(refOf(offer));
    if (found === null) {
      output.begin(key);
      return output;
    }
    this.#journal.goOn(found.validBytes);
    const { output: stored } = offer;
    output.recover(
      key,
      stored === undefined ? undefined : { ...stored, hash: Buffer.from(stored.hash, 'hex') },
    );
    if (found.isOtherBoot) {
      output.say('the machine was started again here; the last output before that may be missing');
    }
    return output;
  }

  async #settle(attempt: Attempt, end: AttemptEnd, work: WorkDone): Promise<PollAnswer | null> {
    const { log } = this.#options;
    const { status, reason, exitCode } = end;
    log.info('attempt ended', { ...attempt.ref, status, reason: reason.code, exitCode });
    const reported = await this.#report(attempt, end, work);
    log.info('attempt settled', { ...attempt.ref, outcome: reported.kind });
    return reported.kind === 'taken' ? reported.next : null;
  }

  async #report(attempt: Attempt, end: AttemptEnd, work: WorkDone): Promise<Reported> {
    const { trace, ...output } = work;
    const { gateway, log, pollWaitMs } = this.#options;
    // On disk before the server hears of it: else a crash in between would make an end into an interruption.
    if (attempt.stopCause !== 'dropped') await this.#journal.noteEnd(end);
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
            log,
          });
    this.#interrupted.signal.removeEventListener('abort', limit);
    if (reported.kind !== 'given-up') this.#forget(work.kept.spool);
    this.#remember(attemptKey(attempt.ref), end);
    return reported;
  }

  /** Nothing of the attempt is needed any more. */
  #forget(spool = this.#openSpool()): void {
    this.#journal.clear();
    spool.clear();
  }

  #openSpool(): Spool {
    return new Spool(spoolFolder(this.#options.stateDir), this.#options.outputSpoolBytes);
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
