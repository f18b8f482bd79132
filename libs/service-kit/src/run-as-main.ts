import { shutdownMs } from './lifecycle.ts';
import { SettingsError, type Env } from './settings.ts';

const say = (text: string): void => {
  process.stderr.write(`${text}\n`);
};

/**
 * Runs one service, or several, as the program of a process: with the process's environment, until SIGTERM or SIGINT,
 * then drained within 10 s. The only place that ends the process: 0 after a stop, 1 after a failure.
 */
export const runAsMain = async (start: (env: Env) => Promise<{ stop(): Promise<void> }>): Promise<void> => {
  process.on('unhandledRejection', (error) => {
    say(
      `expected every failure to be handled, got ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    );
    process.exit(1);
  });
  try {
    const running = await start(process.env);
    const stop = async (): Promise<void> => {
      setTimeout(() => process.exit(1), shutdownMs).unref();
      await running.stop();
      process.exit(0);
    };
    process.once('SIGTERM', () => void stop());
    process.once('SIGINT', () => void stop());
  } catch (error) {
    if (error instanceof SettingsError) say(error.message);
    else say(error instanceof Error ? (error.stack ?? error.message) : String(error));
    process.exit(1);
  }
};
