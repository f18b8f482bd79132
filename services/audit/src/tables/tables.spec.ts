import { describe, expect, it } from '@jest/globals';
import { DomainError, positionPattern } from '@signalbox/contracts';
import { bulkInsert, setExcluded, storableJson, storableText, textArray } from './bulk-insert.ts';
import { decodeCursor, encodeCursor } from './cursor.ts';
import { monthOf, nextMonth, partitionOf } from './partitions.ts';

describe('months', () => {
  it('names the partition of an instant and the month after, over the end of a year', () => {
    expect(monthOf('2026-01-31T23:59:59.999Z')).toBe('2026-01');
    expect(nextMonth('2026-01')).toBe('2026-02');
    expect(nextMonth('2026-09')).toBe('2026-10');
    expect(nextMonth('2026-12')).toBe('2027-01');
    expect(partitionOf('2026-01')).toBe('audit_logs_2026_01');
  });
});

describe('a bulk insert', () => {
  it('sends one array per column and casts on the server', () => {
    const insert = bulkInsert({
      table: 's.t',
      columns: { id: 'int', name: 'text' },
      conflict: 'on conflict do nothing',
    });
    expect(insert.text.replaceAll(/\s+/g, ' ').trim()).toBe(
      'insert into s.t (id, name) select r.id::int, r.name::text ' +
        'from unnest($1::text[], $2::text[]) as r (id, name) on conflict do nothing',
    );
    expect(
      insert.values([
        { id: 1, name: 'a' },
        { id: 2, name: null },
      ]),
    ).toEqual([
      ['1', '2'],
      ['a', null],
    ]);
    expect(setExcluded(['a', 'b'])).toBe('a = excluded.a, b = excluded.b');
    expect(textArray(['a-1', 'NULL'])).toBe('{"a-1","NULL"}');
  });

  it('shows what Postgres cannot hold as U+FFFD, at any depth', () => {
    expect(storableText('a\u0000b\ud800')).toBe('a\ufffdb\ufffd');
    expect(storableJson({ a: ['\u0000'], b: 1 })).toBe('{"a":["\ufffd"],"b":1}');
  });
});

describe('a cursor', () => {
  const patterns = [positionPattern];

  it('comes back as it was given', () => {
    const cursor = encodeCursor(['0000000000000042']);
    expect(cursor).toMatch(/^[A-Za-z0-9_-]+$/);
    expect(decodeCursor(cursor, patterns)).toEqual(['0000000000000042']);
  });

  it.each([
    ['x'],
    [''],
    [encodeCursor([])],
    [encodeCursor(["1' or true"])],
    [encodeCursor(['0000000000000042', '1'])],
  ])('is refused when no page has given it: %s', (cursor) => {
    expect(() => decodeCursor(cursor, patterns)).toThrow(DomainError);
  });
});
