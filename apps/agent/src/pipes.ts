import type { Readable } from 'node:stream';
import { monotonicMs, pause } from './pause.ts';
import type { StreamName } from './wire.ts';

/** Takes output in. When it is full, readers stop reading, and the program that writes waits. */
export interface OutputSink {
  readonly isFull: boolean;
  write(stream: StreamName, bytes: Buffer): void;
  /** Calls once when there is space again. */
  onSpace(listener: () => void): void;
}

/** After the first process has ended, its pipes are read on until they were silent for this long … */
const quietMs = 1_000;
/** … and at most this long while somebody keeps writing. */
const longestMs = 10_000;

/** The two output pipes of a step. Reads as fast as the sink takes, never faster, and loses no byte. */
export class Pipes {
  readonly #streams: readonly Readable[];
  readonly #sink: OutputSink;
  readonly #ended: Promise<unknown>;
  #open = 0;
  #isPaused = false;
  #lastDataMs = monotonicMs();

  constructor(stdout: Readable, stderr: Readable, sink: OutputSink) {
    this.#sink = sink;
    this.#streams = [stdout, stderr];
    this.#ended = Promise.all([this.#follow('stdout', stdout), this.#follow('stderr', stderr)]);
  }

  /** True when nobody can write any more and all is read. */
  get hasEnded(): boolean {
    return this.#open === 0;
  }

  /**
   * Reads what is left after the first process has ended: to the end of both pipes, or, when another process holds
   * them open, until nothing came for a second (ten at most). Time in which the sink is full does not count.
   */
  async settle(signal?: AbortSignal): Promise<void> {
    const startMs = monotonicMs();
    this.#lastDataMs = startMs;
    let pausedMs = 0;
    while (!this.hasEnded && signal?.aborted !== true) {
      const beforeMs = monotonicMs();
      if (!this.#isPaused && beforeMs - this.#lastDataMs >= quietMs) return;
      if (!this.#isPaused && beforeMs - startMs - pausedMs >= longestMs) return;
      await Promise.race([this.#ended, pause(20, signal)]);
      if (!this.#isPaused) continue;
      pausedMs += monotonicMs() - beforeMs;
      this.#lastDataMs = monotonicMs();
    }
  }

  /** Stops reading. A process that still writes there gets a broken pipe. */
  close(): void {
    for (const stream of this.#streams) stream.destroy();
  }

  #follow(name: StreamName, stream: Readable): Promise<void> {
    this.#open += 1;
    stream.on('data', (bytes: Buffer) => {
      this.#lastDataMs = monotonicMs();
      this.#sink.write(name, bytes);
      if (this.#sink.isFull) this.#hold();
    });
    stream.on('error', () => undefined); // followed by close
    return new Promise((resolve) => {
      stream.once('close', () => {
        this.#open -= 1;
        resolve();
      });
    });
  }

  #hold(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    for (const stream of this.#streams) stream.pause();
    this.#sink.onSpace(() => {
      this.#isPaused = false;
      for (const stream of this.#streams) stream.resume();
    });
  }
}
