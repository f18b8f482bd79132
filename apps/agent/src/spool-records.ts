import { createHash } from 'node:crypto';
import { isRecord } from './answers.ts';
import type { StreamName } from './wire.ts';

/** Where the output of an attempt stands between two chunks. */
export interface Standing {
  /** Sequence of the next chunk, from 1. */
  readonly nextSequence: number;
  readonly bytes: number;
  /** The hash chain so far. */
  readonly hash: Buffer;
}

/**
 * What a spool file holds: first where it begins, then chunks as they are numbered and, in front of them, bytes that were
 * read and wait for the rest of their line. A header of 17 bytes (kind u8, length u32, check u32, time f64) and the bytes.
 */
export type SpoolRecord =
  | {
      readonly kind: 'chunk' | 'pending';
      readonly stream: StreamName;
      /** Milliseconds by the clock of the machine, which may be wrong: for people only. */
      readonly atMs: number;
      readonly bytes: Buffer;
    }
  | { readonly kind: 'base'; readonly bytes: Buffer };

export const headerBytes = 17;

const kinds = [
  { kind: 'base', stream: null },
  { kind: 'chunk', stream: 'stdout' },
  { kind: 'chunk', stream: 'stderr' },
  { kind: 'pending', stream: 'stdout' },
  { kind: 'pending', stream: 'stderr' },
] as const;

const header = (kind: number, bytes: Buffer, check: Buffer, atMs: number): Buffer => {
  const head = Buffer.alloc(headerBytes);
  head.writeUInt8(kind, 0);
  head.writeUInt32BE(bytes.length, 1);
  check.copy(head, 5, 0, 4);
  head.writeDoubleBE(atMs, 9);
  return head;
};

const digest = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest();

/** @param hash the chain up to and with this chunk: it is the check */
export const chunkRecord = (
  stream: StreamName,
  atMs: number,
  bytes: Buffer,
  hash: Buffer,
): readonly Buffer[] => [header(stream === 'stdout' ? 1 : 2, bytes, hash, atMs), bytes];

export const pendingRecord = (stream: StreamName, bytes: Buffer): readonly Buffer[] => [
  header(stream === 'stdout' ? 3 : 4, bytes, digest(bytes), 0),
  bytes,
];

/** @param key names the attempt, so that the output of one is never taken for that of another */
export const baseRecord = (key: string, { nextSequence, bytes, hash }: Standing): Buffer => {
  const body = Buffer.from(JSON.stringify({ key, nextSequence, bytes, hash: hash.toString('hex') }));
  return Buffer.concat([header(0, body, digest(body), 0), body]);
};

/** One record as it stands in a file, and the check that it carries. */
export interface Found {
  readonly record: SpoolRecord;
  readonly check: Buffer;
  /** Of header and bytes. */
  readonly sizeBytes: number;
}

/** The record at an offset; `short` when the bytes end before it does, `damaged` when there is none. */
export const recordAt = (buffer: Buffer, offset: number): Found | 'short' | 'damaged' => {
  if (buffer.length < offset + headerBytes) return 'short';
  const type = kinds[buffer.readUInt8(offset)];
  const length = buffer.readUInt32BE(offset + 1);
  if (type === undefined || length > 1_048_576) return 'damaged';
  const start = offset + headerBytes;
  if (buffer.length < start + length) return 'short';
  const bytes = buffer.subarray(start, start + length);
  const atMs = buffer.readDoubleBE(offset + 9);
  const record: SpoolRecord = type.kind === 'base' ? { kind: 'base', bytes } : { ...type, atMs, bytes };
  return { record, check: buffer.subarray(offset + 5, offset + 9), sizeBytes: headerBytes + length };
};

export const isIntact = ({ record, check }: Found): boolean =>
  digest(record.bytes).subarray(0, 4).equals(check);

/** Where a file begins; null when it is damaged or of another attempt. */
export const readBase = (found: Found, key: string): Standing | null => {
  if (found.record.kind !== 'base' || !isIntact(found)) return null;
  const value: unknown = JSON.parse(found.record.bytes.toString());
  if (!isRecord(value) || value.key !== key || typeof value.hash !== 'string') return null;
  if (typeof value.nextSequence !== 'number' || typeof value.bytes !== 'number') return null;
  return { nextSequence: value.nextSequence, bytes: value.bytes, hash: Buffer.from(value.hash, 'hex') };
};
