import { isUtf8 } from 'node:buffer';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Cut } from './chunker.ts';
import { chainNext, chainStart } from './hash-chain.ts';
import { Segment, nothingWaits, type Waiting } from './segment.ts';
import { chunkRecord, pendingRecord, recordAt, type SpoolRecord, type Standing } from './spool-records.ts';
import { removeState, syncFolder } from './state-files.ts';
import { wireLimits, type OutputChunk } from './wire.ts';

/** Chunks that go into one request, as they stand on the wire. */
export interface Batch {
  readonly chunks: OutputChunk[];
  /** The sequence after the last of them. */
  readonly nextSequence: number;
  /** Nothing waits behind them. */
  readonly isLast: boolean;
}

type ChunkRecord = Exclude<SpoolRecord, { kind: 'base' }>;

/** A place between two records: what is before it was sent. */
interface Place {
  readonly segment: number;
  readonly offset: number;
  readonly nextSequence: number;
  readonly bytes: number;
}

/** What one batch may weigh as JSON: a part of the largest request, so that the rest of a status fits beside it. */
const batchBytes = wireLimits.requestBodyBytes / 4;
/** Read from the disk at once; more than the largest record. */
const windowBytes = 131_072;
const segmentShare = 32;
const [leastSegmentBytes, mostSegmentBytes] = [32_768, 4_194_304];

export const spoolStart: Standing = { nextSequence: 1, bytes: 0, hash: chainStart };
const firstPlace: Place = { segment: 0, offset: 0, nextSequence: 1, bytes: 0 };

const encode = (sequence: number, chunk: ChunkRecord): OutputChunk => {
  const { stream, bytes } = chunk;
  const head = { sequence, stream, at: new Date(chunk.atMs).toISOString() };
  const data = (): OutputChunk => ({ ...head, data: bytes.toString('base64') });
  if (!isUtf8(bytes)) return data();
  const text = bytes.toString('utf8');
  return JSON.stringify(text).length > bytes.length * 2 ? data() : { ...head, text };
};

/**
 * The output of one attempt on the disk: numbered from 1 over both streams, chained by hash, kept until the server has
 * it. What was appended survives a crash of the agent, after `sync` also a power cut. Memory holds none of it.
 */
export class Spool {
  readonly #folder: string;
  readonly #limitBytes: number;
  readonly #segmentBytes: number;
  #key = '';
  #segments: Segment[] = [];
  #isFolderDirty = false;
  #end: Standing = spoolStart;
  /** The next chunk to send is behind it. */
  #cursor: Place = firstPlace;
  #batchEnd: Place | null = null;

  /** @param limitBytes size on the disk of what the server does not have yet, from which on it is full */
  constructor(folder: string, limitBytes: number) {
    this.#folder = folder;
    this.#limitBytes = limitBytes;
    const share = Math.ceil(limitBytes / segmentShare);
    this.#segmentBytes = Math.min(Math.max(share, leastSegmentBytes), mostSegmentBytes);
  }

  /** Bytes of output that the server does not have yet. */
  get waitingBytes(): number {
    return this.#end.bytes - this.#cursor.bytes;
  }
  /** Size on the disk of what the server does not have yet, as a share of the limit. */
  get load(): number {
    const sizeBytes = this.#segments.reduce((sum, each) => sum + each.sizeBytes, 0);
    return (sizeBytes - this.#cursor.offset) / this.#limitBytes;
  }
  get totalBytes(): number {
    return this.#end.bytes;
  }
  get nextSequence(): number {
    return this.#end.nextSequence;
  }
  /** The chain over all chunks so far, lower-case hexadecimal. */
  get hash(): string {
    return this.#end.hash.toString('hex');
  }
  get isEmpty(): boolean {
    return this.#cursor.nextSequence === this.#end.nextSequence;
  }

  /** Begins the output of an attempt, from its start or from where the server stands; what was there before goes. */
  begin(key: string, from: Standing = spoolStart): void {
    this.clear();
    this.#key = key;
    this.#startAt(from);
  }

  /** Takes up what an earlier run of the agent left. @returns bytes that it had read and not numbered yet */
  recover(key: string): Waiting {
    this.#key = key;
    let waiting = nothingWaits;
    for (const path of this.#files()) {
      const found = Segment.open(path, key);
      const last = this.#segments.at(-1);
      const isNext = last === undefined || found?.segment.base.nextSequence === this.#end.nextSequence;
      if (found === null || !isNext) {
        found?.segment.remove();
        removeState(path);
        continue;
      }
      this.#segments.push(found.segment);
      if (last === undefined) this.#startAt(found.segment.base);
      this.#end = found.end;
      ({ waiting } = found);
    }
    return waiting;
  }

  /**
   * Numbers the cuts and keeps them, and what of `added` waits for the rest of its line.
   * @param waiting all that waits behind the cuts
   * @throws when the disk takes no more; then nothing was kept
   */
  append(cuts: readonly Cut[], atMs: number, added: Cut | null, waiting: Waiting): void {
    let end = this.#end;
    const parts: Buffer[] = [];
    for (const { stream, bytes } of cuts) {
      const hash = chainNext(end.hash, end.nextSequence, stream, bytes);
      end = { nextSequence: end.nextSequence + 1, bytes: end.bytes + bytes.length, hash };
      parts.push(...chunkRecord(stream, atMs, bytes, hash));
    }
    const last = this.#segments.at(-1);
    const isNew = last === undefined || last.sizeBytes >= this.#segmentBytes;
    const segment = isNew ? Segment.create(this.#folder, this.#key, this.#end) : last;
    // A new file holds all that waits, so that the ones before it can go.
    const carried: readonly Cut[] = isNew
      ? (['stdout', 'stderr'] as const).map((stream) => ({ stream, bytes: waiting[stream] }))
      : added === null
        ? []
        : [added];
    for (const { stream, bytes } of carried)
      if (bytes.length > 0) parts.push(...pendingRecord(stream, bytes));
    try {
      if (parts.length > 0) segment.append(parts);
    } catch (error) {
      if (isNew) segment.remove();
      throw error;
    }
    if (isNew) {
      this.#segments.push(segment);
      this.#isFolderDirty = true;
    }
    this.#end = end;
    this.#trim();
  }

  /** The next chunks to send; none when the server has all. Gives the same again until told otherwise. */
  batch(): Batch {
    const chunks: OutputChunk[] = [];
    let weight = 0;
    const place = this.#walk(this.#cursor, (sequence, chunk) => {
      if (chunks.length === wireLimits.outputChunks) return false;
      const encoded = encode(sequence, chunk);
      weight += Buffer.byteLength(JSON.stringify(encoded));
      if (chunks.length > 0 && weight > batchBytes) return false;
      chunks.push(encoded);
      return true;
    });
    this.#batchEnd = place;
    return {
      chunks,
      nextSequence: place.nextSequence,
      isLast: place.nextSequence === this.#end.nextSequence,
    };
  }

  /**
   * Goes on from the sequence that the server wants next, forward or back.
   * @returns false when that cannot be: it was never produced, or is kept no more
   */
  resumeAt(nextSequence: number): boolean {
    const first = this.#segments[0]?.base.nextSequence ?? this.#end.nextSequence;
    if (nextSequence < first || nextSequence > this.#end.nextSequence) return false;
    if (this.#batchEnd?.nextSequence === nextSequence) this.#cursor = this.#batchEnd;
    else if (this.#cursor.nextSequence !== nextSequence) {
      const segment = this.#segments.findLastIndex((each) => each.base.nextSequence <= nextSequence);
      const { bytes, nextSequence: from } = this.#segments[segment]?.base ?? this.#end;
      const start = { segment, offset: 0, nextSequence: from, bytes };
      this.#cursor = this.#walk(start, (sequence) => sequence < nextSequence);
    }
    this.#trim();
    return true;
  }

  /** Puts what the server does not have yet on the disk. */
  async sync(): Promise<void> {
    if (this.waitingBytes === 0) return;
    for (const segment of [...this.#segments]) await segment.sync();
    if (!this.#isFolderDirty) return;
    this.#isFolderDirty = false;
    await syncFolder(this.#folder);
  }

  /** Removes all of it from the disk. */
  clear(): void {
    for (const segment of this.#segments) segment.remove();
    this.#segments = [];
    for (const path of this.#files()) removeState(path);
    this.#startAt(spoolStart);
  }

  #startAt(standing: Standing): void {
    const { nextSequence, bytes } = standing;
    this.#end = standing;
    this.#cursor = { segment: 0, offset: 0, nextSequence, bytes };
    this.#batchEnd = null;
  }

  /** Reads chunks from a place on while they are taken. @returns the place behind the last one that was */
  #walk(from: Place, take: (sequence: number, chunk: ChunkRecord) => boolean): Place {
    let place = from;
    for (;;) {
      const segment = this.#segments[place.segment];
      if (segment === undefined) return place;
      if (place.offset >= segment.sizeBytes) {
        if (place.segment === this.#segments.length - 1) return place;
        place = { ...place, segment: place.segment + 1, offset: 0 };
        continue;
      }
      const window = segment.read(place.offset, windowBytes);
      for (let at = 0; at < window.length;) {
        const found = recordAt(window, at);
        if (found === 'short' && at > 0) break;
        if (typeof found === 'string')
          throw new Error('expected whole records in the output spool, got others');
        const { record, sizeBytes } = found;
        if (record.kind === 'chunk') {
          if (!take(place.nextSequence, record)) return place;
          const { nextSequence, bytes } = place;
          place = { ...place, nextSequence: nextSequence + 1, bytes: bytes + record.bytes.length };
        }
        at += sizeBytes;
        place = { ...place, offset: place.offset + sizeBytes };
      }
    }
  }

  /** Removes files that the server has all of. The newest stays, in case it asks for some of it again. */
  #trim(): void {
    const current = this.#segments[this.#cursor.segment];
    const isThrough = current !== undefined && this.#cursor.offset >= current.sizeBytes;
    if (isThrough && this.#cursor.segment < this.#segments.length - 1) {
      this.#cursor = { ...this.#cursor, segment: this.#cursor.segment + 1, offset: 0 };
    }
    const done = this.#cursor.segment;
    if (done <= 0) return;
    for (const segment of this.#segments.splice(0, done)) segment.remove();
    this.#cursor = { ...this.#cursor, segment: 0 };
    this.#batchEnd = null;
  }

  #files(): readonly string[] {
    try {
      const names = readdirSync(this.#folder).filter((name) => name.endsWith('.spool'));
      return names.sort().map((name) => join(this.#folder, name));
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
      throw error;
    }
  }
}
