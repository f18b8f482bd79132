export interface BatcherOptions<Item, Result> {
  /**
   * Does the work of one batch. Answers one entry per item, in order: its result, or the `Error` it is refused with.
   * When it throws, every item of the batch is refused with that error.
   */
  readonly run: (items: readonly Item[]) => Promise<readonly (Result | Error)[]>;
  /** Most items of one batch. */
  readonly maxBatch: number;
  /** Items that share a key never share a batch, and keep their order. */
  readonly keysOf?: (item: Item) => readonly string[];
  /** Weight of an item, such as its bytes, against `maxWeight`; one that is heavier goes alone. */
  readonly weightOf?: (item: Item) => number;
  readonly maxWeight?: number;
}

export interface Batcher<Item, Result> {
  /** Hands an item to the next batch; settles with the item's own result or error. */
  add(item: Item): Promise<Result>;
  /** Items that wait for a batch. */
  waiting(): number;
  /** Resolves when nothing waits and nothing runs. */
  idle(): Promise<void>;
}

interface Entry<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

interface Split<E> {
  readonly batch: readonly E[];
  readonly rest: readonly E[];
}

/** Takes from the front what fits into one batch. A key that was passed over stays blocked, so its items keep their order. */
const split = <Item, Result>(
  entries: readonly Entry<Item, Result>[],
  options: BatcherOptions<Item, Result>,
): Split<Entry<Item, Result>> => {
  const batch: Entry<Item, Result>[] = [];
  const passed: Entry<Item, Result>[] = [];
  const taken = new Set<string>();
  const maxWeight = options.maxWeight ?? Infinity;
  let weight = 0;
  for (const [index, entry] of entries.entries()) {
    if (batch.length >= options.maxBatch) return { batch, rest: [...passed, ...entries.slice(index)] };
    const keys = options.keysOf?.(entry.item) ?? [];
    const itemWeight = options.weightOf?.(entry.item) ?? 0;
    const fits = batch.length === 0 || weight + itemWeight <= maxWeight;
    if (fits && !keys.some((key) => taken.has(key))) {
      batch.push(entry);
      weight += itemWeight;
    } else {
      passed.push(entry);
    }
    for (const key of keys) taken.add(key);
  }
  return { batch, rest: passed };
};

const settle = <Item, Result>(
  batch: readonly Entry<Item, Result>[],
  results: readonly (Result | Error)[],
): void => {
  if (results.length !== batch.length) {
    throw new Error(`expected ${batch.length} results of a batch, got ${results.length}`);
  }
  for (const [index, result] of results.entries()) {
    if (result instanceof Error) batch[index]?.reject(result);
    else batch[index]?.resolve(result);
  }
};

/**
 * Gathers concurrent calls into batches: one batch is in flight, and what arrives meanwhile forms the next. There is no
 * timer, so a lone call waits for nothing.
 */
export const createBatcher = <Item, Result>(options: BatcherOptions<Item, Result>): Batcher<Item, Result> => {
  let entries: readonly Entry<Item, Result>[] = [];
  let arrived: Entry<Item, Result>[] = [];
  let running: Promise<void> | undefined;

  const runAll = async (): Promise<void> => {
    await Promise.resolve();
    while (entries.length + arrived.length > 0) {
      const { batch, rest } = split([...entries, ...arrived], options);
      entries = rest;
      arrived = [];
      try {
        settle(batch, await options.run(batch.map(({ item }) => item)));
      } catch (error) {
        for (const entry of batch) entry.reject(error);
      }
    }
    running = undefined;
  };

  return {
    add: (item) =>
      new Promise<Result>((resolve, reject) => {
        arrived.push({ item, resolve, reject });
        running ??= runAll();
      }),
    waiting: () => entries.length + arrived.length,
    idle: async () => {
      await running;
    },
  };
};
