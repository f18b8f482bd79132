/** Numbers that look random and follow from a seed alone. */
export interface Random {
  /** From 0, below 1. */
  next(): number;
  /** A whole number of `from` to `to`, both possible. */
  between(from: number, to: number): number;
  /** @throws Error the list is empty */
  pick<T>(from: readonly T[]): T;
}

/** Mulberry32: one 32-bit state, the same numbers on every machine. */
export const randomOf = (seed: number): Random => {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  const between = (from: number, to: number): number => from + Math.floor(next() * (to - from + 1));
  return {
    next,
    between,
    pick: (from) => {
      const found = from[between(0, from.length - 1)];
      if (found === undefined) throw new Error('expected something to pick from, got an empty list');
      return found;
    },
  };
};
