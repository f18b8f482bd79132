import { closeSync, ftruncateSync, mkdirSync, openSync, readSync, readFileSync, writevSync } from 'node:fs';
import { join } from 'node:path';
import { chainNext } from './hash-chain.ts';
import { syncData } from './journal.ts';
import { baseRecord, isIntact, readBase, recordAt, type Standing } from './spool-records.ts';
import { removeState } from './state-files.ts';
import type { StreamName } from './wire.ts';

/** Bytes of each stream that wait for the rest of their line. */
export type Waiting = Readonly<Record<StreamName, Buffer>>;
export const nothingWaits: Waiting = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };

/** Part of a file of the spool: from a base on, records one after the other, only appended, removed as a whole. */
export class Segment {
  readonly base: Standing;
  readonly #path: string;
  readonly #handle: number;
  #sizeBytes: number;
  #syncing: Promise<void> | null = null;
  #isDirty = true;

  private constructor(path: string, handle: number, base: Standing, sizeBytes: number) {
    this.#path = path;
    this.#handle = handle;
    this.base = base;
    this.#sizeBytes = sizeBytes;
  }

  /** @throws when the file cannot be made */
  static create(folder: string, key: string, base: Standing): Segment {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const path = join(folder, `${String(base.nextSequence).padStart(10, '0')}.spool`);
    removeState(path);
    const segment = new Segment(path, openSync(path, 'a+', 0o600), base, 0);
    try {
      segment.append([baseRecord(key, base)]);
      return segment;
    } catch (error) {
      segment.remove();
      throw error;
    }
  }

  /**
   * A file that an earlier run of the agent left, up to its last whole record; what follows is cut off.
   * @returns null when it is damaged at its beginning or belongs to another attempt
   */
  static open(path: string, key: string): { segment: Segment; end: Standing; waiting: Waiting } | null {
    const content = readFileSync(path);
    const first = recordAt(content, 0);
    const base = typeof first === 'string' ? null : readBase(first, key);
    if (base === null || typeof first === 'string') return null;
    let end = base;
    let waiting: Record<StreamName, Buffer> = { ...nothingWaits };
    let offset = first.sizeBytes;
    for (;;) {
      const found = recordAt(content, offset);
      if (typeof found === 'string' || found.record.kind === 'base') break;
      const { bytes, stream, kind } = found.record;
      if (kind === 'chunk') {
        const hash = chainNext(end.hash, end.nextSequence, stream, bytes);
        if (!hash.subarray(0, 4).equals(found.check)) break;
        end = { nextSequence: end.nextSequence + 1, bytes: end.bytes + bytes.length, hash };
        waiting = { ...waiting, [stream]: waiting[stream].subarray(bytes.length) };
      } else {
        if (!isIntact(found)) break;
        waiting = { ...waiting, [stream]: Buffer.concat([waiting[stream], bytes]) };
      }
      offset += found.sizeBytes;
    }
    const handle = openSync(path, 'a+');
    ftruncateSync(handle, offset);
    return { segment: new Segment(path, handle, base, offset), end, waiting };
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** All of the parts or nothing. Survives a crash of the agent when it returns. @throws when the disk takes no more */
  append(parts: readonly Buffer[]): void {
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    try {
      const written = writevSync(this.#handle, parts);
      if (written < length) throw new Error(`expected space for ${length} bytes of output, got a full disk`);
    } catch (error) {
      ftruncateSync(this.#handle, this.#sizeBytes);
      throw error;
    }
    this.#sizeBytes += length;
    this.#isDirty = true;
  }

  /** Up to `length` bytes from an offset on. */
  read(offset: number, length: number): Buffer {
    const buffer = Buffer.allocUnsafe(Math.min(length, this.#sizeBytes - offset));
    return buffer.subarray(0, readSync(this.#handle, buffer, 0, buffer.length, offset));
  }

  /** Survives a power cut when it resolves, as far as it was appended before. */
  async sync(): Promise<void> {
    if (!this.#isDirty) return;
    this.#isDirty = false;
    this.#syncing = syncData(this.#handle);
    await this.#syncing;
  }

  /** Removes the file; a file that is never written to the disk again costs the disk little or nothing. */
  remove(): void {
    // Somebody who goes through a list of files may still come to this one.
    this.#isDirty = false;
    removeState(this.#path);
    const close = () => closeSync(this.#handle);
    if (this.#syncing === null) close();
    else this.#syncing.then(close, close);
  }
}
