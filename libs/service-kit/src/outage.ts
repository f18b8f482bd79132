/** Codes of Node for connections that fail. */
const socketCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);

/** Classes of SQLSTATE by which Postgres says that it cannot work now: connection, resources, operator, system. */
const sqlClasses = new Set(['08', '53', '57', '58']);
const sqlState = /^[0-9A-Z]{5}$/;

/** What `pg` says without a code. */
const connectionMessages =
  /connection (terminated|ended|closed)|not queryable|timeout exceeded when trying to connect|query read timeout/i;

const isOutageItself = (error: Error): boolean => {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (socketCodes.has(code)) return true;
  if (sqlState.test(code)) return sqlClasses.has(code.slice(0, 2));
  return connectionMessages.test(error.message);
};

/** Whether an error, or what caused it, says that a server behind us is away: the same request may succeed later. */
export const isOutage = (error: unknown): boolean => {
  for (let current = error, depth = 0; current instanceof Error && depth < 5; depth += 1) {
    if (isOutageItself(current)) return true;
    current = current.cause;
  }
  return false;
};
