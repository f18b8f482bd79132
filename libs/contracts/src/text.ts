import type { z } from 'zod';

const message = 'expected text without NUL characters and unpaired surrogates; remove them';

/** Text that databases and logs keep as it is: no NUL, no half of a surrogate pair. */
const isStorable = (text: string): boolean => text.isWellFormed() && !text.includes('\0');

const findUnstorable = (value: unknown, path: readonly (string | number)[]): (string | number)[][] => {
  if (typeof value === 'string') return isStorable(value) ? [] : [[...path]];
  if (Array.isArray(value)) return value.flatMap((each, index) => findUnstorable(each, [...path, index]));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, each]) =>
    isStorable(key) ? findUnstorable(each, [...path, key]) : [[...path]],
  );
};

/** Refuses a request in which any text, at any depth, could not be stored as it is; for `superRefine`. */
export const storable = (value: unknown, context: z.core.$RefinementCtx): void => {
  for (const path of findUnstorable(value, [])) context.addIssue({ code: 'custom', path, message });
};

/** As `storable`, but for the output of a program, which may print whatever it likes. */
export const storableBesidesOutput = (
  { output: _output, ...rest }: { readonly output: unknown },
  context: z.core.$RefinementCtx,
): void => storable(rest, context);
