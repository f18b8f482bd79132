import { describe, expect, it } from '@jest/globals';
import {
  Id,
  Instant,
  Position,
  Sha256,
  assignmentId,
  deriveId,
  formatPosition,
  positionStart,
  streams,
} from './ids.ts';

describe('deriveId', () => {
  it('keeps its values for ever: stored ids and repeated requests depend on them', () => {
    expect(deriveId('principal', 'ada', 'key-1')).toBe('64f4abc2-f99e-5e3f-b8a5-192ce7862e16');
    expect(deriveId('schedule-1', 0)).toBe('4f0b64a6-5a0f-50f4-8368-15bf3b6cc0ab');
    expect(deriveId('')).toBe('6bbb1423-3816-55e6-b689-92b54b9aecb9');
  });

  it('differs where the parts are cut differently', () => {
    expect(deriveId('ab', 'c')).not.toBe(deriveId('a', 'bc'));
    expect(deriveId('a', 1)).not.toBe(deriveId('a', 11));
    expect(deriveId('a', 1)).toBe(deriveId('a', '1'));
  });
});

describe('schemas of ids', () => {
  it.each([
    [Id, ['a', 'A-z_0', 'x'.repeat(64)], ['', 'a b', 'a.b', 'a>', 'x'.repeat(65), 'ä']],
    [
      Instant,
      ['2026-01-31T12:00:00Z', '2026-01-31T12:00:00.123456Z', '1970-01-01T00:00:00Z', '2028-02-29T23:59:59Z'],
      [
        '2026-01-31',
        '2026-13-31T12:00:00Z',
        '2026-01-31T12:00:00+01:00',
        '2026-02-29T12:00:00Z',
        '2026-01-31T24:00:00Z',
        '0000-01-01T00:00:00Z',
        '9999-12-31T23:59:59Z',
      ],
    ],
    [Sha256, ['a'.repeat(64)], ['A'.repeat(64), 'a'.repeat(63), 'g'.repeat(64)]],
    [Position, [positionStart, formatPosition(42n)], ['42', '1'.repeat(17), '000000000000000x']],
  ])('accept and refuse', (schema, good, bad) => {
    for (const each of good) expect(schema.safeParse(each).success).toBe(true);
    for (const each of bad) expect(schema.safeParse(each).success).toBe(false);
  });

  it('orders positions by their bytes as by their numbers', () => {
    const numbers = [9, 10, 99, 100, 12_345, 9_007_199_254_740_991];
    expect(numbers.map(formatPosition).toSorted()).toEqual(numbers.map(formatPosition));
    expect(positionStart < formatPosition(1)).toBe(true);
  });
});

it('names streams and assignments', () => {
  expect(streams.assignment('j', 't')).toBe(`assignment-${assignmentId('j', 't')}`);
  expect([streams.job('j'), streams.device('d'), streams.principal('p')]).toEqual([
    'job-j',
    'device-d',
    'principal-p',
  ]);
});
