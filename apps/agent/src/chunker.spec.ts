import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Chunker, chunkRule, wholeCharacters, type Cut } from './chunker.ts';

const texts = (cuts: readonly Cut[]) => cuts.map((cut) => `${cut.stream}:${cut.bytes.toString()}`);

describe('cutting output into chunks', () => {
  it('keeps a line until its wait is over, then sends it whole', () => {
    const chunker = new Chunker();
    expect(chunker.push('stdout', Buffer.from('one\ntwo\nthr'), 0)).toEqual([]);
    expect(chunker.due(chunkRule.lineWaitMs - 1)).toEqual([]);
    expect(texts(chunker.due(chunkRule.lineWaitMs))).toEqual(['stdout:one\ntwo\n']);
    expect(texts(chunker.due(chunkRule.partialWaitMs))).toEqual(['stdout:thr']);
  });

  it('sends the complete lines of one stream before bytes of the other', () => {
    const chunker = new Chunker();
    chunker.push('stdout', Buffer.from('a\nb'), 0);
    expect(texts(chunker.push('stderr', Buffer.from('x\n'), 1))).toEqual(['stdout:a\n']);
    expect(texts(chunker.push('stdout', Buffer.from('\n'), 2))).toEqual(['stderr:x\n']);
    expect(texts(chunker.flush())).toEqual(['stdout:b\n']);
  });

  it('cuts a long line at a character, never inside one', () => {
    const chunker = new Chunker();
    const cuts = chunker.push('stdout', Buffer.from('€'.repeat(chunkRule.maxBytes)), 0);
    expect(cuts.length).toBe(3);
    expect(cuts.every((cut) => /^€+$/.test(cut.bytes.toString()))).toBe(true);
  });

  it('holds a character back that is cut off at the end of what came', () => {
    const chunker = new Chunker();
    const euro = Buffer.from('€');
    chunker.push('stdout', Buffer.concat([Buffer.from('1 '), euro.subarray(0, 2)]), 0);
    expect(texts(chunker.due(1000))).toEqual(['stdout:1 ']);
    chunker.push('stdout', euro.subarray(2), 1001);
    expect(texts(chunker.flush())).toEqual(['stdout:€']);
  });

  it.each([
    [[0x61], 1],
    [[0x61, 0xc3], 1],
    [[0xe2, 0x82], 0],
    [[0xf0, 0x9f, 0x98], 0],
    [[0xf0, 0x9f, 0x98, 0x80], 4],
    [[0x80, 0x80, 0x80, 0x80, 0x80], 5],
  ])('finds whole characters in %j', (bytes, length) => {
    expect(wholeCharacters(Buffer.from(bytes))).toBe(length);
  });

  it('loses, adds and reorders no byte of either stream', () => {
    const piece = fc.record({
      stream: fc.constantFrom('stdout' as const, 'stderr' as const),
      bytes: fc.oneof(
        fc.uint8Array({ maxLength: 40 }),
        fc.constant(Buffer.alloc(chunkRule.maxBytes * 2 + 7, 'x')),
        fc.constant(Buffer.from('line\n')),
      ),
      waitMs: fc.nat(300),
    });
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        const chunker = new Chunker();
        const cuts: Cut[] = [];
        let nowMs = 0;
        for (const { stream, bytes, waitMs } of pieces) {
          nowMs += waitMs;
          cuts.push(...chunker.due(nowMs), ...chunker.push(stream, Buffer.from(bytes), nowMs));
        }
        cuts.push(...chunker.flush());
        for (const stream of ['stdout', 'stderr'] as const) {
          const sent = pieces.filter((each) => each.stream === stream).map((each) => Buffer.from(each.bytes));
          const got = cuts.filter((each) => each.stream === stream).map((each) => each.bytes);
          expect(Buffer.concat(got).equals(Buffer.concat(sent))).toBe(true);
        }
        expect(cuts.every((cut) => cut.bytes.length > 0 && cut.bytes.length <= chunkRule.maxBytes)).toBe(
          true,
        );
        expect(chunker.pendingBytes).toBe(0);
      }),
    );
  });
});
