/** Whether a value is a system error with one of these codes, such as `ENOENT`. */
export const hasCode = (error: unknown, ...codes: readonly string[]): boolean =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' && codes.includes(error.code);

/** For `.catch()`: turns a system error with one of these codes into `undefined`, throws any other on. */
export const withoutCode =
  (...codes: readonly string[]) =>
  (error: unknown): undefined => {
    if (hasCode(error, ...codes)) return undefined;
    throw error;
  };
