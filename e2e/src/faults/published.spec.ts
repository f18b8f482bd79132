import { expect, it } from '@jest/globals';
import { compareStream } from './published.ts';

const events = ['a', 'b', 'c'].map((id, index) => ({ id, position: String(index + 1) }));

it('accepts a stream that is the log', () => {
  expect(compareStream(['a', 'b', 'c'], events)).toEqual([]);
});

it.each([
  ['an event that is missing', ['a', 'c']],
  ['an event twice', ['a', 'b', 'b', 'c']],
  ['another order', ['b', 'a', 'c']],
  ['an event too few', ['a', 'b']],
  ['a foreign message', ['a', 'b', 'c', 'x']],
])('finds %s', (_what, ids) => {
  expect(compareStream(ids, events)).toHaveLength(1);
});
