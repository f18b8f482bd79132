import { createHash } from 'node:crypto';
import { expect, it } from '@jest/globals';
import { DomainError, type OutputChunk } from '@signalbox/contracts';
import { continueOutput } from './output-chain.ts';
import { emptyTail } from './tables/output.ts';

const chunk = (sequence: number, text: string, stream: 'stdout' | 'stderr' = 'stdout'): OutputChunk => ({
  sequence,
  stream,
  at: '2026-01-31T12:00:00.000Z',
  text,
});

it('chains hash, offset and sequence over both streams', () => {
  const { rows, tail } = continueOutput(emptyTail, [chunk(1, 'ab'), chunk(2, 'ü', 'stderr')]);
  const h1 = createHash('sha256')
    .update(Buffer.alloc(32))
    .update(Buffer.from([0, 0, 0, 1, 1]))
    .update('ab')
    .digest();
  const h2 = createHash('sha256')
    .update(h1)
    .update(Buffer.from([0, 0, 0, 2, 2]))
    .update('ü')
    .digest();
  expect(rows.map((row) => row.offset)).toEqual([0, 2]);
  expect(tail).toEqual({ nextSequence: 3, bytes: 4, hash: h2 });
});

it('gives the same end whether chunks come at once, one by one or twice', () => {
  const all = [chunk(1, 'a'), chunk(2, 'b'), chunk(3, 'c')];
  const atOnce = continueOutput(emptyTail, all).tail;
  let tail = emptyTail;
  for (const each of all) tail = continueOutput(tail, [each]).tail;
  expect(tail).toEqual(atOnce);
  expect(continueOutput(tail, all)).toEqual({ rows: [], tail });
});

it('names where to resume when something is missing', () => {
  const { tail } = continueOutput(emptyTail, [chunk(1, 'a')]);
  try {
    continueOutput(tail, [chunk(3, 'c')]);
    throw new Error('expected a refusal, got none');
  } catch (error) {
    expect(error).toBeInstanceOf(DomainError);
    expect(error).toMatchObject({ code: 'output-gap', expected: { nextSequence: 2, bytes: 1 } });
  }
});

it('counts bytes, not characters, against the limit of a chunk', () => {
  expect(() => continueOutput(emptyTail, [chunk(1, 'ü'.repeat(40_000))])).toThrow(/at most 65536 bytes/);
});
