import { errors } from '@nats-io/transport-node';

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

/**
 * Classes of SQLSTATE that say nothing about the event: connection, read-only standby, conflict of transactions,
 * resources, locks, operator, system.
 */
const sqlClasses = new Set(['08', '25', '40', '53', '55', '57', '58']);
const sqlState = /^[0-9A-Z]{5}$/;

const connectionMessages =
  /connection (terminated|ended|closed)|not queryable|timeout exceeded when trying to connect/i;

const codeOf = (error: object): string => {
  const code: unknown = Reflect.get(error, 'code');
  return typeof code === 'string' ? code : '';
};

const isTransientItself = (error: Error): boolean => {
  const code = codeOf(error);
  if (socketCodes.has(code)) return true;
  if (sqlState.test(code)) return sqlClasses.has(code.slice(0, 2)) && code !== '25P02';
  return (
    error instanceof errors.TimeoutError ||
    error instanceof errors.NoRespondersError ||
    error instanceof errors.RequestError ||
    error instanceof errors.ConnectionError ||
    error instanceof errors.ClosedConnectionError ||
    connectionMessages.test(error.message)
  );
};

/**
 * Whether an error, or what caused it, speaks of a connection, a server or a competing transaction and not of the event
 * that was handled. Such failures are repeated for ever; others count against the event.
 */
export const isTransient = (error: unknown): boolean => {
  for (let current = error, depth = 0; current instanceof Error && depth < 5; depth += 1) {
    if (isTransientItself(current)) return true;
    current = current.cause;
  }
  return false;
};
