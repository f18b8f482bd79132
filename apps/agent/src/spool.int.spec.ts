import { createHash } from 'node:crypto';
import { appendFileSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { SendOutput } from '@signalbox/contracts';
import { nothingWaits } from './segment.ts';
import { Spool } from './spool.ts';
import type { OutputChunk, StreamName } from './wire.ts';

const atMs = Date.parse('2026-01-31T12:00:00.000Z');
const limitBytes = 1_048_576;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'signalbox-spool-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const append = (spool: Spool, bytes: Buffer, stream: StreamName = 'stdout') =>
  spool.append([{ stream, bytes }], atMs, null, nothingWaits);
const started = () => {
  const spool = new Spool(folder, limitBytes);
  spool.begin('attempt');
  return spool;
};
const filled = (count: number, size = 10) => {
  const spool = started();
  for (let index = 0; index < count; index += 1) append(spool, Buffer.alloc(size, 'a'));
  return spool;
};
const recovered = (key = 'attempt') => {
  const spool = new Spool(folder, limitBytes);
  return { spool, waiting: spool.recover(key) };
};
const bytesOf = (chunk: OutputChunk) =>
  chunk.data === undefined ? Buffer.from(chunk.text ?? '') : Buffer.from(chunk.data, 'base64');
const files = () => readdirSync(folder).map((name) => join(folder, name));

/** Takes all that waits, as the server does. */
const drain = (spool: Spool): Buffer => {
  const parts: Buffer[] = [];
  for (let next = spool.batch(); next.chunks.length > 0; next = spool.batch()) {
    parts.push(...next.chunks.map(bytesOf));
    expect(spool.resumeAt(next.nextSequence)).toBe(true);
  }
  return Buffer.concat(parts);
};

describe('the spool of an attempt', () => {
  it('numbers chunks over both streams and chains them as the event promises', () => {
    const spool = started();
    append(spool, Buffer.from('out\n'));
    append(spool, Buffer.from([0xff, 0x00]), 'stderr');
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
    expect(chunks[0]).toEqual({
      sequence: 1,
      stream: 'stdout',
      at: '2026-01-31T12:00:00.000Z',
      text: 'out\n',
    });
    expect(chunks[1]).toMatchObject({ sequence: 2, stream: 'stderr', data: '/wA=' });
  });

  it('starts with 32 zero bytes, and leaves no file where there is no output', () => {
    expect(started().hash).toBe('0'.repeat(64));
    expect(files()).toEqual([]);
  });

  it('keeps the largest batch within the request, even of bytes that grow in JSON', () => {
    const spool = filled(200, 16_384);
    for (let index = 0; index < 100; index += 1) append(spool, Buffer.alloc(16_384, 1), 'stderr');
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
    const spool = started();
    const bytes = Buffer.from([0xef, 0xbb, 0xbf, 0x00, 0x0a]);
    append(spool, bytes);
    expect(drain(spool).equals(bytes)).toBe(true);
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
    const spool = filled(100, 16_384);
    expect(spool.resumeAt(102)).toBe(false);
    expect(spool.resumeAt(101)).toBe(true);
    expect(spool.resumeAt(1)).toBe(false);
  });

  it('keeps on the disk little more than what the server does not have', () => {
    const spool = filled(60, 16_384);
    expect(spool.load).toBeGreaterThan(0.9);
    expect(spool.load).toBeLessThan(1);
    for (let index = 0; index < 200; index += 1) {
      append(spool, Buffer.alloc(16_384, 'b'));
      spool.resumeAt(spool.batch().nextSequence);
    }
    drain(spool);
    const sizeBytes = files().reduce((sum, path) => sum + statSync(path).size, 0);
    expect(sizeBytes).toBeLessThan(limitBytes / 8);
    expect(spool.load).toBe(0);
    spool.clear();
    expect(files()).toEqual([]);
  });
});

describe('the spool after a crash', () => {
  it('has all that was not sent, its chain and what waited for its line', () => {
    const spool = started();
    for (let index = 0; index < 300; index += 1) append(spool, Buffer.alloc(1_000, index % 251));
    const { nextSequence } = spool.batch();
    spool.resumeAt(nextSequence);
    const half = { stream: 'stderr', bytes: Buffer.from('half a line') } as const;
    spool.append([], atMs, half, { ...nothingWaits, stderr: half.bytes });
    const again = recovered();
    expect(again.waiting.stderr.toString()).toBe('half a line');
    expect(again.spool.hash).toBe(spool.hash);
    expect(again.spool.totalBytes).toBe(300_000);
    expect(again.spool.resumeAt(nextSequence)).toBe(true);
    expect(again.spool.waitingBytes).toBe(spool.waitingBytes);
    expect(drain(again.spool).equals(drain(spool))).toBe(true);
    append(again.spool, Buffer.from('more'));
    append(spool, Buffer.from('more'));
    expect(again.spool.hash).toBe(spool.hash);
  });

  it('waits for no line twice: what was numbered meanwhile is waited for no more', () => {
    const spool = started();
    const add = (bytes: string, waiting: string, cut = '') =>
      spool.append(
        cut === '' ? [] : [{ stream: 'stdout', bytes: Buffer.from(cut) }],
        atMs,
        { stream: 'stdout', bytes: Buffer.from(bytes) },
        { ...nothingWaits, stdout: Buffer.from(waiting) },
      );
    add('one', 'one');
    add('\ntwo', 'one\ntwo');
    add('three', 'twothree', 'one\n');
    expect(recovered().waiting.stdout.toString()).toBe('twothree');
  });

  it('is whole up to any place where its last write was torn', () => {
    const spool = filled(3, 50);
    const whole = drain(spool);
    const [path = ''] = files();
    const sizes = [];
    for (let size = statSync(path).size - 1; size >= 0; size -= 7) {
      truncateSync(path, size);
      const again = recovered();
      sizes.push(again.spool.totalBytes);
      expect(drain(again.spool).equals(whole.subarray(0, again.spool.totalBytes))).toBe(true);
      if (files().length === 0) break;
    }
    expect(new Set(sizes)).toEqual(new Set([100, 50, 0]));
  });

  it('does not take rubbish for output, such as zeros at its end after a power cut', () => {
    const spool = filled(3, 50);
    appendFileSync(files()[0] ?? '', Buffer.alloc(4_096));
    const again = recovered();
    expect(again.spool.hash).toBe(spool.hash);
    append(again.spool, Buffer.from('next'));
    expect(recovered().spool.totalBytes).toBe(154);
  });

  it('does not take the output of another attempt for its own', () => {
    filled(3);
    const { spool } = recovered('another attempt');
    expect(spool.totalBytes).toBe(0);
    expect(files()).toEqual([]);
  });
});
