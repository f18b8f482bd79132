import { Chunker, chunkRule, type Cut } from './chunker.ts';
import type { OutputSink } from './pipes.ts';
import { monotonicMs } from './pause.ts';
import { Spool } from './spool.ts';
import type { StreamName } from './wire.ts';

/** Reading goes on when this part of the buffer is free again. */
const spaceShare = 0.25;

/**
 * The output of one attempt between its pipes and the server: cut, numbered, kept. Full at `limitBytes`; then the
 * program has to wait rather than lose output.
 */
export class Output implements OutputSink {
  readonly spool = new Spool();
  readonly #chunker = new Chunker();
  readonly #limitBytes: number;
  #timer: NodeJS.Timeout | null = null;
  #spaceListeners: (() => void)[] = [];
  #readyListener: (() => void) | null = null;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get isFull(): boolean {
    return this.#weightBytes >= this.#limitBytes;
  }

  get #weightBytes(): number {
    return this.spool.weightBytes + this.#chunker.pendingBytes;
  }

  write(stream: StreamName, bytes: Buffer): void {
    this.#take(this.#chunker.push(stream, bytes, monotonicMs()));
    this.#watch();
  }

  onSpace(listener: () => void): void {
    this.#spaceListeners.push(listener);
    this.#tellSpace();
  }

  /** Resolves when there is something to send, or when the signal fires. */
  async ready(signal: AbortSignal): Promise<void> {
    if (!this.spool.isEmpty || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        signal.removeEventListener('abort', done);
        this.#readyListener = null;
        resolve();
      };
      this.#readyListener = done;
      signal.addEventListener('abort', done, { once: true });
    });
  }

  /** The server wants this sequence next. @returns false when it cannot be had from here */
  resumeAt(nextSequence: number): boolean {
    const isPossible = this.spool.resumeAt(nextSequence);
    this.#tellSpace();
    return isPossible;
  }

  /** No more comes: what waits for the rest of its line is numbered, too. */
  finish(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#take(this.#chunker.flush());
  }

  #watch(): void {
    if (this.#timer !== null || this.#chunker.pendingBytes === 0) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#take(this.#chunker.due(monotonicMs()));
      this.#watch();
    }, chunkRule.lineWaitMs);
  }

  #take(cuts: readonly Cut[]): void {
    if (cuts.length === 0) return;
    const at = new Date().toISOString();
    for (const { stream, bytes } of cuts) this.spool.append(stream, bytes, at);
    this.#readyListener?.();
  }

  #tellSpace(): void {
    if (this.#weightBytes > this.#limitBytes * (1 - spaceShare)) return;
    const listeners = this.#spaceListeners;
    this.#spaceListeners = [];
    for (const listener of listeners) listener();
  }
}
