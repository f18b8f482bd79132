import { describe, expect, it } from '@jest/globals';
import { type Figure, isMet } from './figure.ts';
import { quantile } from './measure.ts';
import { benchOptions } from './options.ts';
import { numberText, tableText } from './table.ts';

const figure: Figure = {
  measurement: 1,
  name: 'jobs',
  unit: 'jobs/s',
  value: 1234.5,
  aim: { atLeast: 600 },
  ceiling: 3000,
  peers: {
    'BullMQ everysec': { bare: 10, audited: 5.25 },
    'BullMQ always': 'no redis-server',
  },
};

describe('the table', () => {
  it('is Markdown with one row a figure, aim, ceiling and each peer beside it', () => {
    const [head, rule, row, ...rest] = tableText([figure]).split('\n');
    const cells = (line: string | undefined) => line?.split('|').map((cell) => cell.trim());
    expect(cells(head)?.slice(4, 8)).toEqual(['Signalbox', 'aim', 'met', 'ceiling']);
    expect(rule).toMatch(/^\| [-: |]+\|$/);
    expect(cells(row)?.slice(1, -1)).toEqual([
      ...['(1)', 'jobs', 'jobs/s', '1,235', '≥ 600', 'yes', '3,000'],
      ...['10.0 / 5.25', 'SKIPPED: no redis-server', '–'],
    ]);
    expect(rest).toEqual([]);
    expect(new Set([head, rule, row].map((line) => line?.length)).size).toBe(1);
  });

  it('says of a missing number that it is missing', () => {
    expect(numberText(Number.NaN)).toBe('–');
    expect(isMet(Number.NaN, { atMost: 1 })).toBe(false);
  });
});

describe('an aim', () => {
  it('is met on its edge and not beyond it', () => {
    expect(isMet(600, { atLeast: 600 })).toBe(true);
    expect(isMet(599.9, { atLeast: 600 })).toBe(false);
    expect(isMet(8, { atMost: 8 })).toBe(true);
    expect(isMet(8.1, { atMost: 8 })).toBe(false);
  });
});

describe('a quantile', () => {
  it('is one of the values, exactly', () => {
    const values = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect(quantile(values, 0.5)).toBe(51);
    expect(quantile(values, 0.99)).toBe(100);
    expect(quantile([], 0.5)).toBeNaN();
  });
});

describe('the flags', () => {
  it('name what was expected', () => {
    expect(() => benchOptions(['--only', '1,9'])).toThrow(
      /expected --only with numbers of 1,2,3,4,5,6.*got 1,9/,
    );
    expect(() => benchOptions(['--jobs', 'many'])).toThrow(
      /expected --jobs to be a whole number from 1, got many/,
    );
    expect(() => benchOptions(['--fast'])).toThrow(/--fast/);
  });

  it('choose measurements and sizes', () => {
    expect(benchOptions(['--help'])).toBeUndefined();
    expect(benchOptions([])).toMatchObject({ jobs: 6000, openPolls: 10_000, peers: true });
    const quick = benchOptions(['--quick', '--only', '2,4', '--jobs', '7']);
    expect(quick).toMatchObject({ jobs: 7, openPolls: 200 });
    expect([...(quick?.only ?? [])]).toEqual([2, 4]);
  });
});
