import { describe, expect, it } from '@jest/globals';
import { PositionWatch } from './position-watch.ts';

const position = (number: number) => String(number).padStart(16, '0');

describe('waiting for a position', () => {
  it('ends at once where it is reached already, and by the signal of the projecting replica', async () => {
    const watch = new PositionWatch(() => new Promise(() => undefined));
    watch.advance(position(5));
    expect(await watch.waitFor(position(5), 1)).toBe(true);
    const waiting = watch.waitFor(position(7), 60_000);
    watch.advance(position(6));
    watch.advance(position(8));
    watch.advance(position(2));
    expect(await waiting).toBe(true);
    expect(await watch.waitFor(position(8), 1)).toBe(true);
  });

  it('reads the position where another replica projects, once for all who wait', async () => {
    let reads = 0;
    const watch = new PositionWatch(() => {
      reads += 1;
      return Promise.resolve(position(reads));
    });
    const all = await Promise.all([1, 2, 3, 3, 3].map((each) => watch.waitFor(position(each), 60_000)));
    expect(all).toEqual([true, true, true, true, true]);
    expect(reads).toBe(3);
  });

  it('gives up in time, also when the position cannot be read, and at the end of the service', async () => {
    const watch = new PositionWatch(() => Promise.reject(new Error('away')));
    expect(await watch.waitFor(position(1), 10)).toBe(false);
    const waiting = watch.waitFor(position(1), 60_000);
    watch.stop();
    expect(await waiting).toBe(false);
    expect(await watch.waitFor(position(1), 60_000)).toBe(false);
  });
});
