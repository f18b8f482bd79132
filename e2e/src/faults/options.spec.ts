import { expect, it } from '@jest/globals';
import { readOptions } from './options.ts';

it('runs one seed for half a minute by default', () => {
  expect(readOptions([])).toMatchObject({ seeds: [1], minutes: 0.5, plant: null });
});

it('takes a range of seeds', () => {
  expect(readOptions(['--seeds', '3-5'])).toMatchObject({ seeds: [3, 4, 5] });
});

it.each([
  [['--seed', 'x'], '--seed to be a whole number of at least 0, got x'],
  [['--seeds', '5-3'], '--seeds as <first>-<last>, got 5-3'],
  [['--minutes', '0'], '--minutes of at least 0.05, got 0'],
  [['--plant', 'weeds'], '--plant to be one of fencing, relay, reader, got weeds'],
  [['--agents', '0'], '--agents to be a whole number of at least 1, got 0'],
])('refuses %j and says what it expected', (args, message) => {
  expect(() => readOptions(args)).toThrow(message);
});
