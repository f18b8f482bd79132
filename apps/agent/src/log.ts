export const logLevels = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof logLevels)[number];

export type LogFields = Readonly<Record<string, string | number | boolean | null>>;

/** One JSON line per entry. Messages are constant texts; what varies stands in fields. Never give it a credential. */
export type Log = Readonly<Record<LogLevel, (message: string, fields?: LogFields) => void>>;

/** @param write takes one line with its line end; a place that cannot be written to must not throw */
export const createLog = (level: LogLevel, write: (line: string) => void): Log => {
  const least = logLevels.indexOf(level);
  const at =
    (each: LogLevel) =>
    (message: string, fields: LogFields = {}) => {
      if (logLevels.indexOf(each) < least) return;
      write(`${JSON.stringify({ time: new Date().toISOString(), level: each, message, ...fields })}\n`);
    };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
};

/** What is worth logging of an error: its message, and that of its cause. */
export const errorText = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
};
