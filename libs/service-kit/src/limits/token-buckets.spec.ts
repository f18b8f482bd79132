import { describe, expect, it } from '@jest/globals';
import { TokenBuckets } from './token-buckets.ts';

const takeMany = (buckets: TokenBuckets, key: string, count: number, nowMs: number): number =>
  Array.from({ length: count }, () => buckets.take(key, nowMs)).filter((waitMs) => waitMs === 0).length;

describe('a bucket', () => {
  it.each([1, 3, 7, 333])('gives its burst at once, then %d a second, over any time', (perSecond) => {
    const buckets = new TokenBuckets({ perSecond, burst: 2 * perSecond, most: 10 });
    let given = 0;
    for (let nowMs = 5_000; nowMs < 15_000; nowMs += 1) given += takeMany(buckets, 'a', 3, nowMs);
    expect(given).toBeGreaterThanOrEqual(12 * perSecond - 1);
    expect(given).toBeLessThanOrEqual(12 * perSecond);
  });

  it('says how long to wait, and keeps its word', () => {
    const buckets = new TokenBuckets({ perSecond: 10, burst: 2, most: 10 });
    expect(takeMany(buckets, 'a', 5, 1_000)).toBe(2);
    const waitMs = buckets.take('a', 1_000);
    expect(waitMs).toBeCloseTo(100);
    expect(buckets.take('a', 1_000 + waitMs - 1)).toBeGreaterThan(0);
    expect(buckets.take('a', 1_000 + waitMs)).toBe(0);
  });

  it('is never fuller than its burst, however long nothing was taken', () => {
    const buckets = new TokenBuckets({ perSecond: 10, burst: 2, most: 10 });
    expect(takeMany(buckets, 'a', 5, 1_000)).toBe(2);
    expect(takeMany(buckets, 'a', 5, 1_000_000)).toBe(2);
  });

  it('can be looked at without taking', () => {
    const buckets = new TokenBuckets({ perSecond: 1, burst: 1, most: 10 });
    expect([buckets.waitMs('a', 0), buckets.waitMs('a', 0), buckets.size]).toEqual([0, 0, 0]);
    expect(buckets.take('a', 0)).toBe(0);
    expect(buckets.waitMs('a', 0)).toBeCloseTo(1_000);
  });
});

describe('many buckets', () => {
  it('do not share tokens', () => {
    const buckets = new TokenBuckets({ perSecond: 1, burst: 1, most: 10 });
    expect([buckets.take('a', 0), buckets.take('b', 0)]).toEqual([0, 0]);
  });

  it('are bounded in number: the oldest is forgotten', () => {
    const buckets = new TokenBuckets({ perSecond: 1, burst: 1, most: 100 });
    for (let index = 0; index < 10_000; index += 1) buckets.take(`key-${index}`, 0);
    expect(buckets.size).toBe(100);
    expect(buckets.take('key-9999', 0)).toBeGreaterThan(0);
  });
});
