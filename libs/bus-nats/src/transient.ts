import { errors } from '@nats-io/transport-node';
import {
  connectionLostPattern,
  socketErrorCodes,
  sqlOutageClasses,
  sqlStatePattern,
} from '@signalbox/contracts';

/**
 * Classes of SQLSTATE that say nothing about the event: those of an outage, and read-only standby, conflict of
 * transactions, locks.
 */
const sqlClasses = new Set([...sqlOutageClasses, '25', '40', '55']);

const codeOf = (error: object): string => {
  const code: unknown = Reflect.get(error, 'code');
  return typeof code === 'string' ? code : '';
};

const isTransientItself = (error: Error): boolean => {
  const code = codeOf(error);
  if (socketErrorCodes.has(code)) return true;
  if (sqlStatePattern.test(code)) return sqlClasses.has(code.slice(0, 2)) && code !== '25P02';
  return (
    error instanceof errors.TimeoutError ||
    error instanceof errors.NoRespondersError ||
    error instanceof errors.RequestError ||
    error instanceof errors.ConnectionError ||
    error instanceof errors.ClosedConnectionError ||
    connectionLostPattern.test(error.message)
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
