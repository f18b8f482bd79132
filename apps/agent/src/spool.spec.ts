import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { SendOutput } from '@signalbox/contracts';
import { Spool } from './spool.ts';

const at = '2026-01-31T12:00:00.000Z';
const filled = (count: number, size = 10) => {
  const spool = new Spool();
  for (let index = 0; index < count; index += 1) spool.append('stdout', Buffer.alloc(size, 'a'), at);
  return spool;
};

describe('the spool of an attempt', () => {
  it('numbers chunks over both streams and chains them as the event promises', () => {
    const spool = new Spool();
    spool.append('stdout', Buffer.from('out\n'), at);
    spool.append('stderr', Buffer.from([0xff, 0x00]), at);
    const h1 = createHash('sha256')
      .update(Buffer.concat([Buffer.alloc(32), Buffer.from([0, 0, 0, 1, 1]), Buffer.from('out\n')]))
      .digest();
    const h2 = createHash('sha256')
      .update(Buffer.concat([h1, Buffer.from([0, 0, 0, 2, 2]), Buffer.from([0xff, 0x00])]))
      .digest('hex');
    expect(spool.hash).toBe(h2);
    expect(spool.totalBytes).toBe(6);
    const { chunks, nextSequence } = spool.batch();
    expect(nextSequence).toBe(3);
    expect(SendOutput.parse({ chunks })).toEqual({ chunks });
    expect(chunks[0]).toMatchObject({ sequence: 1, stream: 'stdout', text: 'out\n' });
    expect(chunks[1]).toMatchObject({ sequence: 2, stream: 'stderr', data: '/wA=' });
  });

  it('starts with 32 zero bytes', () => {
    expect(new Spool().hash).toBe('0'.repeat(64));
  });

  it('keeps the largest batch within the request, even of bytes that grow in JSON', () => {
    const spool = filled(200, 16_384);
    for (let index = 0; index < 100; index += 1) spool.append('stderr', Buffer.alloc(16_384, 1), at);
    let batches = 0;
    while (!spool.isEmpty) {
      const { chunks, nextSequence } = spool.batch();
      expect(JSON.stringify({ chunks }).length).toBeLessThan(300_000);
      expect(spool.resumeAt(nextSequence)).toBe(true);
      batches += 1;
    }
    expect(batches).toBeLessThan(26);
    expect(spool.waitingBytes).toBe(0);
  });

  it('keeps a byte order mark and a null character', () => {
    const spool = new Spool();
    const bytes = Buffer.from([0xef, 0xbb, 0xbf, 0x00, 0x0a]);
    spool.append('stdout', bytes, at);
    const [chunk] = spool.batch().chunks;
    const back =
      chunk?.data === undefined ? Buffer.from(chunk?.text ?? '') : Buffer.from(chunk.data, 'base64');
    expect(back.equals(bytes)).toBe(true);
  });

  it('goes back to what the server asks for again, and forward over what it has', () => {
    const spool = filled(5);
    expect(spool.resumeAt(6)).toBe(true);
    expect(spool.isEmpty).toBe(true);
    expect(spool.resumeAt(2)).toBe(true);
    expect(spool.waitingBytes).toBe(40);
    expect(spool.batch().chunks.map((chunk) => chunk.sequence)).toEqual([2, 3, 4, 5]);
  });

  it('says so when it cannot resume there', () => {
    const spool = filled(3, 1_000_000);
    expect(spool.resumeAt(5)).toBe(false);
    expect(spool.resumeAt(4)).toBe(true);
    expect(spool.resumeAt(1)).toBe(false);
  });
});
