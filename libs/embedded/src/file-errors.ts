/** Whether a value is a system error with one of these codes, such as `ENOENT`; it may come from another realm, as in tests. */
export const hasCode = (error: unknown, ...codes: readonly string[]): boolean =>
  typeof error === 'object' &&
  error !== null &&
  'code' in error &&
  typeof error.code === 'string' &&
  codes.includes(error.code);

/** For `.catch()`: turns a system error with one of these codes into `undefined`, throws any other on. */
export const withoutCode =
  (...codes: readonly string[]) =>
  (error: unknown): undefined => {
    if (hasCode(error, ...codes)) return undefined;
    throw error;
  };
