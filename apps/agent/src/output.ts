import { Chunker, chunkRule, type Cut } from './chunker.ts';
import { agentLine, DropCount } from './drop-count.ts';
import { errorText, type Log } from './log.ts';
import { monotonicMs } from './pause.ts';
import type { OutputSink } from './pipes.ts';
import { nothingWaits, type Waiting } from './segment.ts';
import type { Spool } from './spool.ts';
import type { Standing } from './spool-records.ts';
import type { StreamName } from './wire.ts';

/** Reading, or keeping, goes on when this part of the spool is free again. */
const spaceShare = 0.25;

/**
 * The output of one attempt between its pipes and the server: cut, numbered, kept on the disk. When the spool is full the
 * program waits as long as the server takes output; while the server is away output is dropped and marked as such.
 */
export class Output implements OutputSink {
  readonly spool: Spool;
  readonly #log: Log;
  readonly #chunker = new Chunker();
  #dropping: DropCount | null = null;
  #isAway = false;
  #hasUnmarkedLoss = false;
  #timer: NodeJS.Timeout | null = null;
  #spaceListeners: (() => void)[] = [];
  #readyListener: (() => void) | null = null;

  constructor(spool: Spool, log: Log) {
    this.spool = spool;
    this.#log = log;
  }

  get isFull(): boolean {
    return this.spool.load >= 1 && !this.#isAway;
  }

  /** True when output was lost and not even that could be written into it: the end of the attempt has to tell. */
  get hasUnmarkedLoss(): boolean {
    return this.#hasUnmarkedLoss || (this.#dropping?.total ?? 0) > 0;
  }

  /** Begins the output of an attempt from its start. */
  begin(key: string): void {
    this.spool.begin(key);
  }

  /**
   * Takes up what an earlier run of the agent left, and goes on where the server stands.
   * @param stored what the server has; undefined when it does not say
   */
  recover(key: string, stored: Standing | undefined): void {
    const waiting = this.spool.recover(key);
    for (const stream of ['stdout', 'stderr'] as const) {
      const bytes = waiting[stream];
      for (let at = 0; at < bytes.length; at += chunkRule.maxBytes) {
        this.#keep([{ stream, bytes: bytes.subarray(at, at + chunkRule.maxBytes) }], null);
      }
    }
    if (stored === undefined || this.spool.resumeAt(stored.nextSequence)) return;
    const isBehind = stored.nextSequence < this.spool.nextSequence;
    this.spool.begin(key, stored);
    if (isBehind) this.say('output is missing here: the server has lost some, and it is kept no more');
  }

  /** Writes a line of the agent's own into the output. */
  say(text: string): void {
    this.#keep(this.#chunker.flush(), null);
    this.#keep([{ stream: 'stderr', bytes: agentLine(text) }], null);
  }

  write(stream: StreamName, bytes: Buffer): void {
    if (this.#dropping !== null && !this.#stopDropping()) {
      this.#dropping.add(stream, bytes.length);
      return;
    }
    if (this.spool.load >= 1 && this.#isAway) return this.#drop(stream, bytes, 'the output spool is full');
    const cuts = this.#chunker.push(stream, bytes, monotonicMs());
    const left = this.#chunker.waiting[stream].length;
    const added = { stream, bytes: bytes.subarray(Math.max(0, bytes.length - left)) };
    this.#keep(cuts, left === 0 ? null : added);
    this.#watch();
  }

  onSpace(listener: () => void): void {
    this.#spaceListeners.push(listener);
    this.#tellSpace();
  }

  /** Whether the server takes output just now. */
  setAway(isAway: boolean): void {
    this.#isAway = isAway;
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

  /** Survives a power cut when it resolves, as far as the server does not have it; a full disk costs only that. */
  async sync(): Promise<void> {
    try {
      await this.spool.sync();
    } catch (error) {
      this.#log.warn('output not on the disk', { error: errorText(error) });
    }
  }

  /** No more comes: what waits for the rest of its line is numbered, too. */
  finish(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#keep(this.#chunker.flush(), null);
    this.#markDropped();
  }

  #watch(): void {
    if (this.#timer !== null || this.#chunker.pendingBytes === 0) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#keep(this.#chunker.due(monotonicMs()), null);
      this.#watch();
    }, chunkRule.lineWaitMs);
  }

  /** Output that the disk does not take is dropped. */
  #keep(cuts: readonly Cut[], added: Cut | null): void {
    if (cuts.length === 0 && added === null) return;
    try {
      this.#append(cuts, added, this.#chunker.waiting);
    } catch (error) {
      this.#log.warn('output not kept', { error: errorText(error) });
      const waiting = this.#chunker.flush();
      for (const { stream, bytes } of [...cuts, ...waiting])
        this.#drop(stream, bytes, 'the disk takes no more');
      return;
    }
    if (cuts.length > 0) this.#readyListener?.();
  }

  #append(cuts: readonly Cut[], added: Cut | null, waiting: Waiting): void {
    this.spool.append(cuts, Date.now(), added, waiting);
  }

  #drop(stream: StreamName, bytes: Buffer, why: string): void {
    if (this.#dropping === null) {
      const waiting = this.#chunker.flush();
      this.#dropping = new DropCount();
      const begun = { stream, bytes: agentLine(`output is dropped from here on: ${why}`) };
      // Told at once, so that even after a crash nobody takes what follows for the whole.
      this.#appendOrForget([...waiting, begun]);
    }
    this.#dropping.add(stream, bytes.length);
  }

  #appendOrForget(cuts: readonly Cut[]): boolean {
    try {
      this.#append(cuts, null, nothingWaits);
      this.#readyListener?.();
      return true;
    } catch (error) {
      this.#log.warn('loss of output not marked', { error: errorText(error) });
      this.#hasUnmarkedLoss = true;
      return false;
    }
  }

  /** @returns true when output is kept again */
  #stopDropping(): boolean {
    const { load } = this.spool;
    if (load > 1 - spaceShare && (this.#isAway || load >= 1)) return false;
    return this.#markDropped();
  }

  /** @returns false when the disk does not take the mark */
  #markDropped(): boolean {
    const lines = this.#dropping?.lines() ?? [];
    if (lines.length > 0 && !this.#appendOrForget(lines)) return false;
    this.#dropping = null;
    return true;
  }

  #tellSpace(): void {
    if (this.spool.load > 1 - spaceShare && !this.#isAway) return;
    const listeners = this.#spaceListeners;
    this.#spaceListeners = [];
    for (const listener of listeners) listener();
  }
}
