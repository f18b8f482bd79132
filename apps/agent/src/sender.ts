import {
  isAttemptEnded,
  isOutputRefused,
  isPermanent,
  retryDelayMs,
  type Gateway,
  type Refused,
} from './gateway.ts';
import { errorText, type Log } from './log.ts';
import type { Output } from './output.ts';
import type { Batch } from './spool.ts';
import type { Timings } from './attempt-trace.ts';
import { monotonicMs, pause } from './pause.ts';
import type { AttemptRef } from './wire.ts';

/** Output waits this long for more to go into the same request … */
const gatherMs = 50;
/** … unless this much is there already. */
const gatherBytes = 131_072;

/** After so many failures in a row the server counts as away: the program no longer waits for it. */
const awayFailures = 2;

/** Output is not here any more, or cannot be read, or is refused for good: it stays incomplete on the server. */
export class OutputLost extends Error {
  constructor(message: string, cause: unknown) {
    super(message, { cause });
    this.name = 'OutputLost';
  }
}

/** Goes on from where the server says. @throws OutputLost when that cannot be */
export const resumeFrom = (output: Output, error: Refused): void => {
  if (error.nextSequence !== null && output.resumeAt(error.nextSequence)) return;
  throw new OutputLost('expected to resume output from what is kept, got another place', error);
};

/** Sends the output of one attempt while it runs, one request after the other, until it is stopped. */
export class OutputSender {
  readonly #gateway: Gateway;
  readonly #ref: AttemptRef;
  readonly #output: Output;
  readonly #log: Log;
  readonly #timings: Timings;
  readonly #stop = new AbortController();
  #running: Promise<void> | null = null;
  #refusals = 0;

  constructor(gateway: Gateway, ref: AttemptRef, output: Output, log: Log, timings: Timings) {
    this.#gateway = gateway;
    this.#ref = ref;
    this.#output = output;
    this.#log = log;
    this.#timings = timings;
  }

  /** @param onEnded the log has ended the attempt: nothing of it counts any more */
  start(onEnded: () => void): void {
    this.#running = this.#run(onEnded);
  }

  /** Resolves when no request is under way. What is unsent stays in the output. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  /** What is to be sent next. @throws OutputLost when it cannot be read */
  next(): Batch {
    try {
      return this.#output.spool.batch();
    } catch (error) {
      throw new OutputLost('expected the output spool to be readable, got an error', error);
    }
  }

  /** Sends one batch. @throws what the gateway throws, or OutputLost */
  async sendBatch({ chunks, nextSequence }: Batch, signal?: AbortSignal): Promise<void> {
    const startedAt = monotonicMs();
    try {
      const stored = await this.#gateway.sendOutput(this.#ref, chunks, signal);
      this.#refusals = 0;
      this.#timings.sent(startedAt, chunks.length);
      if (this.#output.resumeAt(stored.nextSequence)) return;
      this.#output.resumeAt(nextSequence);
      throw new OutputLost(
        `expected the server to want sequence ${nextSequence}, got ${stored.nextSequence}`,
        null,
      );
    } catch (error) {
      this.#refusals += 1;
      if (!isOutputRefused(error)) throw error;
      if (this.#refusals > 5)
        throw new OutputLost('expected output to be taken after resuming, got refusals', error);
      resumeFrom(this.#output, error);
    }
  }

  async #run(onEnded: () => void): Promise<void> {
    const { signal } = this.#stop;
    let failures = 0;
    while (!signal.aborted) {
      await this.#output.ready(signal);
      if (this.#output.spool.waitingBytes < gatherBytes) await pause(gatherMs, signal);
      if (signal.aborted) return;
      try {
        await this.sendBatch(this.next());
        failures = 0;
        this.#output.setAway(false);
      } catch (error) {
        if (isAttemptEnded(error)) return onEnded();
        failures += 1;
        if (failures >= awayFailures) this.#output.setAway(true);
        this.#log.warn('output not taken', { ...this.#ref, failures, error: errorText(error) });
        if (error instanceof OutputLost || isPermanent(error)) {
          this.#output.setAway(true);
          return; // the final status tells
        }
        await pause(retryDelayMs(error, failures), signal);
      }
    }
  }
}
