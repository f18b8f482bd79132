import { expect, it } from '@jest/globals';
import { systemClock } from './clock.ts';
import { Lifecycle } from './lifecycle.ts';
import { createLogger } from './logger.ts';

const make = (lines: string[] = []): Lifecycle =>
  new Lifecycle(
    systemClock,
    createLogger({ service: 'x', level: 'info', destination: { write: (line) => void lines.push(line) } }),
  );

it('drains first, then stops in reverse order, and does it once', async () => {
  const lifecycle = make();
  const done: string[] = [];
  lifecycle.onStop('pool', () => void done.push('pool'));
  lifecycle.onStop('reader', () => void done.push('reader'));
  lifecycle.onDrain('polls', () => void done.push('polls'));
  await Promise.all([lifecycle.stop(), lifecycle.stop()]);
  expect(done).toEqual(['polls', 'reader', 'pool']);
});

it('goes on when one fails, and says which', async () => {
  const lines: string[] = [];
  const lifecycle = make(lines);
  const done: string[] = [];
  lifecycle.onStop('pool', () => void done.push('pool'));
  lifecycle.onStop('reader', () => Promise.reject(new Error('stuck')));
  await lifecycle.stop();
  expect(done).toEqual(['pool']);
  expect(lines.join('')).toContain('"component":"reader"');
});
