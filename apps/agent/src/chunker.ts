import type { StreamName } from './wire.ts';

/** A piece of output that is ready to be numbered. */
export interface Cut {
  readonly stream: StreamName;
  readonly bytes: Buffer;
}

interface Pending {
  bytes: Buffer;
  /** When the oldest of these bytes came; meaningless while empty. */
  sinceMs: number;
}

export const chunkRule = {
  /** A piece is cut at the latest when it has this many bytes. */
  maxBytes: 16_384,
  /** Complete lines wait for more of them at most this long. */
  lineWaitMs: 100,
  /** A line without its end is sent after this long. */
  partialWaitMs: 200,
} as const;

const newline = 0x0a;

/** Length of the bytes without a UTF-8 sequence that is cut off at their end; all of them if they are no UTF-8. */
export const wholeCharacters = (bytes: Uint8Array): number => {
  for (let back = 1; back <= Math.min(4, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return needed > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
};

/**
 * Cuts two byte streams into pieces without changing a byte: at line ends where it can, at character ends where a
 * line is too long or does not end in time. Pure: time comes in as milliseconds of any clock.
 */
export class Chunker {
  readonly #pending: Readonly<Record<StreamName, Pending>> = {
    stdout: { bytes: Buffer.alloc(0), sinceMs: 0 },
    stderr: { bytes: Buffer.alloc(0), sinceMs: 0 },
  };

  /** Bytes that wait to be cut. */
  get pendingBytes(): number {
    return this.#pending.stdout.bytes.length + this.#pending.stderr.bytes.length;
  }

  /** What waits to be cut, by stream. */
  get waiting(): Readonly<Record<StreamName, Buffer>> {
    return { stdout: this.#pending.stdout.bytes, stderr: this.#pending.stderr.bytes };
  }

  /** Takes bytes in; complete lines of the other stream go first, so that the order of lines is kept. */
  push(stream: StreamName, bytes: Buffer, nowMs: number): readonly Cut[] {
    const cuts: Cut[] = [];
    this.#cutLines(stream === 'stdout' ? 'stderr' : 'stdout', nowMs, cuts);
    const mine = this.#pending[stream];
    if (mine.bytes.length === 0) mine.sinceMs = nowMs;
    mine.bytes = mine.bytes.length === 0 ? bytes : Buffer.concat([mine.bytes, bytes]);
    while (mine.bytes.length >= chunkRule.maxBytes) {
      const window = mine.bytes.subarray(0, chunkRule.maxBytes);
      const lines = window.lastIndexOf(newline) + 1;
      this.#cut(stream, lines > 0 ? lines : wholeCharacters(window), nowMs, cuts);
    }
    return cuts;
  }

  /** What has waited long enough. */
  due(nowMs: number): readonly Cut[] {
    const cuts: Cut[] = [];
    for (const stream of this.#oldestFirst()) {
      const { sinceMs } = this.#pending[stream];
      if (nowMs - sinceMs < chunkRule.lineWaitMs) continue;
      if (nowMs - sinceMs >= chunkRule.partialWaitMs) {
        this.#cut(stream, wholeCharacters(this.#pending[stream].bytes), nowMs, cuts);
      } else {
        this.#cutLines(stream, sinceMs, cuts);
      }
    }
    return cuts;
  }

  /** All that is left, at the end of the streams. */
  flush(): readonly Cut[] {
    const cuts: Cut[] = [];
    for (const stream of this.#oldestFirst()) {
      this.#cut(stream, this.#pending[stream].bytes.length, 0, cuts);
    }
    return cuts;
  }

  #oldestFirst(): readonly StreamName[] {
    return this.#pending.stderr.sinceMs < this.#pending.stdout.sinceMs
      ? ['stderr', 'stdout']
      : ['stdout', 'stderr'];
  }

  #cutLines(stream: StreamName, remainderSinceMs: number, into: Cut[]): void {
    this.#cut(stream, this.#pending[stream].bytes.lastIndexOf(newline) + 1, remainderSinceMs, into);
  }

  #cut(stream: StreamName, length: number, remainderSinceMs: number, into: Cut[]): void {
    const pending = this.#pending[stream];
    if (length === 0) return;
    into.push({ stream, bytes: pending.bytes.subarray(0, length) });
    pending.bytes = pending.bytes.subarray(length);
    pending.sinceMs = remainderSinceMs;
  }
}
