import { describe, expect, it } from '@jest/globals';
import { backoffMs, parseRetryAfter } from './backoff.ts';

const rule = { baseMs: 500, capMs: 15_000 };

describe('back-off', () => {
  it('doubles its ceiling up to the cap', () => {
    expect([1, 2, 3, 6, 100].map((failures) => backoffMs(rule, failures, 1))).toEqual([
      500, 1000, 2000, 15_000, 15_000,
    ]);
  });
  it('is spread over the whole range, but never a busy loop', () => {
    expect(backoffMs(rule, 10, 0.5)).toBe(7500);
    expect(backoffMs(rule, 10, 0)).toBe(100);
  });
  it('waits at least as long as the server asks', () => {
    expect(backoffMs(rule, 1, 0.5, 4000)).toBe(4000);
  });
  it.each([
    ['3', 3000],
    ['Sat, 31 Jan 2026 12:00:10 GMT', 10_000],
    ['Sat, 31 Jan 2026 11:00:00 GMT', 0],
    ['soon', null],
    ['99999999', 3_600_000],
    [undefined, null],
  ])('reads Retry-After %s', (header, expected) => {
    expect(parseRetryAfter(header, Date.parse('2026-01-31T12:00:00Z'))).toBe(expected);
  });
});
