import type { LoggerService } from '@nestjs/common';
import { pino } from 'pino';
import { currentTraceFields } from './tracing/current-trace.ts';
import { hideSecrets, type LogFields } from './log-fields.ts';

export type LogLevel = 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'silent';

/**
 * Writes JSON lines. A message is a constant sentence; what varies goes into the fields, whose keys are fixed in
 * {@link LogFields}. Payloads and secrets are never logged.
 */
export abstract class Logger {
  abstract debug(message: string, fields?: LogFields): void;
  abstract info(message: string, fields?: LogFields): void;
  abstract warn(message: string, fields?: LogFields): void;
  abstract error(message: string, fields?: LogFields): void;
  abstract fatal(message: string, fields?: LogFields): void;
  /** A logger that adds these fields to each line. */
  abstract child(fields: LogFields): Logger;
}

const errorOf = (error: unknown): unknown => {
  if (!(error instanceof Error)) return { message: String(error) };
  return {
    type: error.name,
    message: error.message,
    stack: error.stack,
    ...('code' in error ? { code: error.code } : {}),
    ...(error.cause instanceof Error ? { cause: errorOf(error.cause) } : {}),
  };
};

class PinoLogger extends Logger {
  readonly #pino: pino.Logger;
  constructor(instance: pino.Logger) {
    super();
    this.#pino = instance;
  }
  debug(message: string, fields: LogFields = {}): void {
    this.#pino.debug(fields, message);
  }
  info(message: string, fields: LogFields = {}): void {
    this.#pino.info(fields, message);
  }
  warn(message: string, fields: LogFields = {}): void {
    this.#pino.warn(fields, message);
  }
  error(message: string, fields: LogFields = {}): void {
    this.#pino.error(fields, message);
  }
  fatal(message: string, fields: LogFields = {}): void {
    this.#pino.fatal(fields, message);
  }
  child(fields: LogFields): Logger {
    return new PinoLogger(this.#pino.child(hideSecrets({ ...fields })));
  }
}

export interface LoggerOptions {
  readonly service: string;
  readonly level: LogLevel;
  /** Where lines go; standard output by default. */
  readonly destination?: { write(line: string): void };
}

export const createLogger = ({ service, level, destination }: LoggerOptions): Logger =>
  new PinoLogger(
    pino(
      {
        level,
        base: { service },
        mixin: currentTraceFields,
        timestamp: pino.stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }), log: hideSecrets },
        serializers: { error: errorOf },
      },
      destination ?? pino.destination({ fd: 1, sync: true }),
    ),
  );

const contextOf = (more: readonly unknown[]): LogFields => {
  const last = more.at(-1);
  return typeof last === 'string' ? { component: last.slice(0, 128) } : {};
};

/** Nest's own log lines through ours. Nest's start-up chatter is written at level debug. */
export const nestLogger = (logger: Logger): LoggerService => ({
  log: (message: unknown, ...more: unknown[]) =>
    logger.debug('nest', { ...contextOf(more), detail: String(message) }),
  debug: (message: unknown, ...more: unknown[]) =>
    logger.debug('nest', { ...contextOf(more), detail: String(message) }),
  verbose: (message: unknown, ...more: unknown[]) =>
    logger.debug('nest', { ...contextOf(more), detail: String(message) }),
  warn: (message: unknown, ...more: unknown[]) =>
    logger.warn('nest', { ...contextOf(more), detail: String(message) }),
  error: (message: unknown, ...more: unknown[]) =>
    logger.error('nest', { ...contextOf(more), error: message }),
  fatal: (message: unknown, ...more: unknown[]) =>
    logger.fatal('nest', { ...contextOf(more), error: message }),
});
