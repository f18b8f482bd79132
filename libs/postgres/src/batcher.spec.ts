import { describe, expect, it } from '@jest/globals';
import { createBatcher } from './batcher.ts';

/** A batcher whose batches end when the test says so; `batches` shows what each was given. */
const gated = <Item>(options: {
  readonly maxBatch?: number;
  readonly keysOf?: (item: Item) => readonly string[];
  readonly weightOf?: (item: Item) => number;
  readonly maxWeight?: number;
}) => {
  const batches: (readonly Item[])[] = [];
  const gates: (() => void)[] = [];
  const batcher = createBatcher<Item, Item>({
    maxBatch: 100,
    ...options,
    run: async (items) => {
      batches.push(items);
      await new Promise<void>((resolve) => gates.push(resolve));
      return items;
    },
  });
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  return {
    batcher,
    batches,
    end: async (): Promise<void> => {
      gates.shift()?.();
      await turn();
    },
    turn,
    finish: async (): Promise<void> => {
      const idle = batcher.idle();
      for (let open = true; open; open = gates.length > 0) {
        await turn();
        gates.shift()?.();
        await turn();
      }
      await idle;
    },
  };
};

describe('createBatcher', () => {
  it('runs a lone item at once, and what arrives meanwhile as one batch', async () => {
    const { batcher, batches, end, turn } = gated<number>({});
    const first = batcher.add(1);
    await turn();
    expect(batches).toEqual([[1]]);
    const others = [2, 3, 4].map((item) => batcher.add(item));
    await turn();
    expect(batches).toHaveLength(1);
    expect(batcher.waiting()).toBe(3);
    await end();
    expect(await first).toBe(1);
    expect(batches).toEqual([[1], [2, 3, 4]]);
    await end();
    expect(await Promise.all(others)).toEqual([2, 3, 4]);
    expect(batcher.waiting()).toBe(0);
  });

  it('puts calls of one turn of the event loop into one batch', async () => {
    const { batcher, batches, finish } = gated<number>({ maxBatch: 3 });
    const all = Promise.all([1, 2, 3, 4].map((item) => batcher.add(item)));
    await finish();
    await all;
    expect(batches).toEqual([[1, 2, 3], [4]]);
  });

  it('keeps items with a common key apart and in order, also behind one that waits for two keys', async () => {
    const { batcher, batches, finish } = gated<string>({ keysOf: (item) => [...item] });
    const all = Promise.all(['a', 'ab', 'b', 'c', 'a', 'd'].map((item) => batcher.add(item)));
    await finish();
    await all;
    expect(batches).toEqual([['a', 'c', 'd'], ['ab'], ['b', 'a']]);
  });

  it('ends a batch at its weight, and lets a heavier item go alone', async () => {
    const { batcher, batches, finish } = gated<number>({ weightOf: (item) => item, maxWeight: 10 });
    const all = Promise.all([6, 4, 1, 50, 2].map((item) => batcher.add(item)));
    await finish();
    await all;
    expect(batches).toEqual([[6, 4], [1, 2], [50]]);
  });

  it('refuses the item whose entry is an error, and every item when the batch throws', async () => {
    const batcher = createBatcher<number, number>({
      maxBatch: 10,
      run: async (items) => {
        if (items.includes(0)) throw new Error('expected a server, got none');
        return items.map((item) => (item < 0 ? new Error(`refused ${item}`) : item));
      },
    });
    const some = await Promise.allSettled([1, -1, 2].map((item) => batcher.add(item)));
    expect(some.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    const none = await Promise.allSettled([0, 1].map((item) => batcher.add(item)));
    expect(none.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(await batcher.add(5)).toBe(5);
    await batcher.idle();
  });

  it('refuses the batch of a run that answers too few results', async () => {
    const batcher = createBatcher<number, number>({ maxBatch: 10, run: async (items) => items.slice(1) });
    await expect(batcher.add(1)).rejects.toThrow('expected 1 results of a batch, got 0');
  });
});
