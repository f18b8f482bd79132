import { describe, expect, it } from '@jest/globals';
import { type SqlAnswer, csvText, jsonText, tableText } from './sql-output.ts';

const answer: SqlAnswer = {
  command: 'SELECT',
  rowCount: 2,
  columns: [
    { name: 'n', kind: 'number' },
    { name: 'at', kind: 'instant' },
    { name: 'payload', kind: 'json' },
    { name: 'note', kind: 'text' },
  ],
  rows: [
    ['9007199254740993', '2026-01-31 12:00:00.5+00', '{"a b": [1, 2], "c": "x  \\" y"}', 'one\ntwo'],
    ['7', null, null, ''],
  ],
};

describe('tableText', () => {
  it('aligns columns, numbers to the right, and keeps every row on one line', () => {
    expect(tableText(answer)).toBe(
      [
        '        n         |           at           |           payload           |   note',
        '------------------+------------------------+-----------------------------+----------',
        ' 9007199254740993 | 2026-01-31T12:00:00.5Z | {"a b":[1,2],"c":"x  \\" y"} | one\\ntwo',
        '                7 |                        |                             |',
        '(2 rows)',
        '',
      ].join('\n'),
    );
  });

  it('shows control characters of data as escapes, so that they cannot steer the terminal', () => {
    const escape = {
      ...answer,
      columns: [{ name: 'x', kind: 'text' as const }],
      rows: [['\u001b[2J\u009b']],
    };
    expect(tableText(escape)).toContain('\\u001b[2J\\u009b');
  });

  it('names the command of a statement without rows', () => {
    expect(tableText({ command: 'UPDATE', rowCount: 3, columns: [], rows: [] })).toBe('UPDATE 3\n');
  });
});

describe('jsonText', () => {
  it('keeps all digits, nests jsonb and is JSON', () => {
    const text = jsonText(answer);
    expect(text).toContain('"n":9007199254740993');
    expect(JSON.parse(text)).toEqual([
      {
        n: expect.any(Number),
        at: '2026-01-31T12:00:00.5Z',
        payload: { 'a b': [1, 2], c: 'x  " y' },
        note: 'one\ntwo',
      },
      { n: 7, at: null, payload: null, note: '' },
    ]);
  });
});

describe('csvText', () => {
  it('quotes what needs it and tells null from an empty text', () => {
    expect(csvText(answer).split('\n').at(-2)).toBe('7,,,""');
    expect(csvText(answer)).toContain(',"{""a b"":[1,2],');
  });
});
