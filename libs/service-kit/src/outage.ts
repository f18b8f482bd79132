import {
  connectionLostPattern,
  socketErrorCodes,
  sqlOutageClasses,
  sqlStatePattern,
} from '@signalbox/contracts';

const isOutageItself = (error: Error): boolean => {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (socketErrorCodes.has(code)) return true;
  if (sqlStatePattern.test(code)) return sqlOutageClasses.includes(code.slice(0, 2));
  return connectionLostPattern.test(error.message);
};

/** Whether an error, or what caused it, says that a server behind us is away: the same request may succeed later. */
export const isOutage = (error: unknown): boolean => {
  for (let current = error, depth = 0; current instanceof Error && depth < 5; depth += 1) {
    if (isOutageItself(current)) return true;
    current = current.cause;
  }
  return false;
};
