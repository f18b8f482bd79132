import { createHash } from 'node:crypto';
import { DomainError, type OutputChunk, limits } from '@signalbox/contracts';
import type { ChunkRow, Tail } from './tables/output.ts';

const streamNumbers = { stdout: 1, stderr: 2 } as const;

/** hn = SHA-256(hn-1 ‖ sequence u32 BE ‖ stream u8 ‖ bytes): any replica goes on from the last row. */
export const nextHash = (before: Buffer, sequence: number, stream: 1 | 2, bytes: Buffer): Buffer => {
  const header = Buffer.alloc(5);
  header.writeUInt32BE(sequence, 0);
  header.writeUInt8(stream, 4);
  return createHash('sha256').update(before).update(header).update(bytes).digest();
};

const bytesOf = (chunk: OutputChunk, index: number): Buffer => {
  const bytes =
    chunk.data === undefined ? Buffer.from(chunk.text ?? '', 'utf8') : Buffer.from(chunk.data, 'base64');
  if (bytes.length <= limits.outputChunkBytes) return bytes;
  const message = `expected at most ${limits.outputChunkBytes} bytes, got ${bytes.length}; split the chunk`;
  throw new DomainError('invalid-request', message, { errors: [{ field: `chunks.${index}`, message }] });
};

/**
 * The rows that continue an attempt's output; chunks that are stored already are passed over.
 *
 * @throws DomainError `output-gap` names the sequence to resume from
 */
export const continueOutput = (
  tail: Tail,
  chunks: readonly OutputChunk[],
): { readonly rows: readonly ChunkRow[]; readonly tail: Tail } => {
  const rows: ChunkRow[] = [];
  let { nextSequence, bytes: offset, hash } = tail;
  for (const [index, chunk] of chunks.entries()) {
    if (chunk.sequence < nextSequence) continue;
    if (chunk.sequence > nextSequence) {
      throw new DomainError(
        'output-gap',
        `expected output from sequence ${nextSequence} on, got ${chunk.sequence}; send what is missing first`,
        { expected: { nextSequence, bytes: offset } },
      );
    }
    const bytes = bytesOf(chunk, index);
    const stream = streamNumbers[chunk.stream];
    hash = nextHash(hash, chunk.sequence, stream, bytes);
    rows.push({ sequence: chunk.sequence, stream, at: chunk.at, offset, bytes, hash });
    offset += bytes.length;
    nextSequence += 1;
  }
  return { rows, tail: { nextSequence, bytes: offset, hash } };
};
