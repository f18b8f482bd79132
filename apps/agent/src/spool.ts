import { isUtf8 } from 'node:buffer';
import { chainNext, chainStart } from './hash-chain.ts';
import type { OutputChunk, StreamName } from './wire.ts';
import { wireLimits } from './wire.ts';

interface Stored {
  readonly sequence: number;
  readonly stream: StreamName;
  readonly at: string;
  readonly bytes: Buffer;
}

/** Chunks that go into one request, as they stand on the wire. */
export interface Batch {
  readonly chunks: OutputChunk[];
  /** The sequence after the last of them. */
  readonly nextSequence: number;
  /** Nothing waits behind them. */
  readonly isLast: boolean;
}

/** What one batch may weigh as JSON: a part of the largest request, so that the rest of a status fits beside it. */
const batchBytes = wireLimits.requestBodyBytes / 4;

/** Chunks that the server has stored are kept up to this size, in case it asks for some of them again. */
const keptBytes = 1_048_576;

/** Roughly what one chunk costs in memory beside its bytes. */
const chunkCostBytes = 256;

const encode = (chunk: Stored): OutputChunk => {
  const { sequence, stream, at, bytes } = chunk;
  const data = (): OutputChunk => ({ sequence, stream, at, data: bytes.toString('base64') });
  if (!isUtf8(bytes)) return data();
  const text = bytes.toString('utf8');
  return JSON.stringify(text).length > bytes.length * 2 ? data() : { sequence, stream, at, text };
};

/**
 * The output of one attempt: numbered from 1 over both streams, chained by hash, kept until the server has it.
 * It holds no more than what its owner puts in: ask `waitingBytes` before reading on.
 */
export class Spool {
  readonly #chunks: Stored[] = [];
  /** Index in `#chunks` of the next one to send. */
  #cursor = 0;
  #nextSequence = 1;
  #hash = chainStart;
  #totalBytes = 0;
  #waitingBytes = 0;
  #storedBytes = 0;

  /** Bytes that the server does not have yet. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }
  /** Memory that waits for the server: the bytes and what each chunk costs beside them. */
  get weightBytes(): number {
    return this.#waitingBytes + (this.#chunks.length - this.#cursor) * chunkCostBytes;
  }
  get totalBytes(): number {
    return this.#totalBytes;
  }
  /** The chain over all chunks so far, lower-case hexadecimal. */
  get hash(): string {
    return this.#hash.toString('hex');
  }
  get isEmpty(): boolean {
    return this.#cursor === this.#chunks.length;
  }

  append(stream: StreamName, bytes: Buffer, at: string): void {
    const sequence = this.#nextSequence;
    this.#nextSequence += 1;
    this.#hash = chainNext(this.#hash, sequence, stream, bytes);
    this.#totalBytes += bytes.length;
    this.#waitingBytes += bytes.length;
    this.#chunks.push({ sequence, stream, at, bytes });
  }

  /** The next chunks to send; none when the server has all. Gives the same again until told otherwise. */
  batch(): Batch {
    const chunks: OutputChunk[] = [];
    let weight = 0;
    for (let index = this.#cursor; index < this.#chunks.length; index += 1) {
      const stored = this.#chunks[index];
      if (stored === undefined || chunks.length === wireLimits.outputChunks) break;
      const chunk = encode(stored);
      weight += Buffer.byteLength(JSON.stringify(chunk));
      if (chunks.length > 0 && weight > batchBytes) break;
      chunks.push(chunk);
    }
    const nextSequence = this.#nextSequence - (this.#chunks.length - this.#cursor) + chunks.length;
    return { chunks, nextSequence, isLast: nextSequence === this.#nextSequence };
  }

  /**
   * Goes on from the sequence that the server wants next, forward or back.
   * @returns false when that cannot be: it was never produced, or is kept no more
   */
  resumeAt(nextSequence: number): boolean {
    const first = this.#nextSequence - this.#chunks.length;
    if (nextSequence < first || nextSequence > this.#nextSequence) return false;
    this.#cursor = nextSequence - first;
    this.#waitingBytes = this.#chunks.slice(this.#cursor).reduce((sum, each) => sum + each.bytes.length, 0);
    this.#trim();
    return true;
  }

  #trim(): void {
    this.#storedBytes = this.#chunks.slice(0, this.#cursor).reduce((sum, each) => sum + each.bytes.length, 0);
    let drop = 0;
    while (drop < this.#cursor && this.#storedBytes > keptBytes) {
      this.#storedBytes -= this.#chunks[drop]?.bytes.length ?? 0;
      drop += 1;
    }
    this.#chunks.splice(0, drop);
    this.#cursor -= drop;
  }
}
