import { createHash } from 'node:crypto';
import type { StreamName } from './wire.ts';

const streamByte = { stdout: 1, stderr: 2 } as const satisfies Record<StreamName, number>;

/** h0 of the output hash chain: 32 zero bytes. */
export const chainStart: Buffer = Buffer.alloc(32);

/** hn = SHA-256(hn-1 ‖ sequence u32 big-endian ‖ stream u8 ‖ bytes): the hash over all output up to this chunk. */
export const chainNext = (
  previous: Buffer,
  sequence: number,
  stream: StreamName,
  bytes: Uint8Array,
): Buffer => {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(sequence, 0);
  head.writeUInt8(streamByte[stream], 4);
  return createHash('sha256').update(previous).update(head).update(bytes).digest();
};

/** The hash that fences a job document: SHA-256 of its JSON text, lower-case hexadecimal. */
export const documentHashOf = (document: unknown): string =>
  createHash('sha256').update(JSON.stringify(document)).digest('hex');
