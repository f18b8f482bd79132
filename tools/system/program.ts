/** A program of ours as a process of its own: started, awaited, signalled, started again. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { endWithStarter } from '@signalbox/embedded';
import { field } from './client.ts';

export interface Program {
  readonly name: string;
  readonly pid: number | undefined;
  /** Resolves with exit code or signal once the process that runs now has ended. */
  exited(): Promise<string>;
  start(): Promise<void>;
  /** TERM, and KILL after `graceMs`; resolves when it has ended. */
  stop(graceMs?: number): Promise<void>;
  /** Sends a signal; waits for the end where the signal ends it. */
  kill(signal?: NodeJS.Signals): Promise<void>;
}

export interface ProgramOptions {
  readonly name: string;
  /** The Node that runs it; default: the one that runs this. */
  readonly node?: string | undefined;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Both outputs are appended to this file. */
  readonly logFile: string;
  /** Resolves when the program is ready to be used; rejects or hangs until then. */
  readonly ready?: () => Promise<void>;
}

const isOver = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

export const createProgram = (options: ProgramOptions): Program => {
  let child: ChildProcess | undefined;
  let ended: Promise<string> = Promise.resolve('not started');

  const start = async (): Promise<void> => {
    if (child !== undefined && !isOver(child)) return;
    const started = spawn(options.node ?? process.execPath, options.args, {
      env: options.env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child = started;
    if (started.pid !== undefined) endWithStarter(started, started.pid);
    const log = createWriteStream(options.logFile, { flags: 'a', mode: 0o600 });
    started.stdout.pipe(log, { end: false });
    started.stderr.pipe(log, { end: false });
    ended = new Promise((resolve) => {
      started.once('close', (code, signal) => {
        log.end();
        resolve(signal ?? String(code));
      });
    });
    if (options.ready === undefined) return;
    const early = ended.then((how) => {
      throw new Error(`expected ${options.name} to start, got its end (${how}); see ${options.logFile}`);
    });
    early.catch(() => undefined);
    await Promise.race([options.ready(), early]);
  };

  const kill = async (signal: NodeJS.Signals = 'SIGKILL'): Promise<void> => {
    if (child === undefined || isOver(child)) return;
    child.kill(signal);
    if (signal === 'SIGKILL' || signal === 'SIGTERM') await ended;
  };

  return {
    name: options.name,
    get pid() {
      return child?.pid;
    },
    exited: () => ended,
    start,
    kill,
    stop: async (graceMs = 12_000) => {
      if (child === undefined || isOver(child)) return;
      const current = child;
      const timer = setTimeout(() => current.kill('SIGKILL'), graceMs);
      current.kill('SIGTERM');
      await ended;
      clearTimeout(timer);
    },
  };
};

/** What an address that is asked for its readiness answers while it is not ready: the checks that fail. */
const failingChecks = (body: string): string => {
  try {
    const checks: unknown = field(JSON.parse(body), 'checks');
    const failing = (Array.isArray(checks) ? checks : []).filter((each) => field(each, 'ok') === false);
    return failing
      .map((each) => `${String(field(each, 'name'))}: ${String(field(each, 'detail'))}`)
      .join('; ');
  } catch {
    return body.slice(0, 200);
  }
};

/** Resolves once the address answers 200. @throws Error that says what it answered last */
export const answersOk = async (url: string, timeoutMs = 60_000): Promise<void> => {
  const deadline = performance.now() + timeoutMs;
  for (let last = 'no answer'; ;) {
    try {
      const answer = await fetch(url, { signal: AbortSignal.timeout(2_000) });
      const body = await answer.text();
      if (answer.ok) return;
      last = `${answer.status}, ${failingChecks(body)}`;
    } catch (error) {
      last = error instanceof Error ? error.message : String(error);
    }
    if (performance.now() > deadline) {
      throw new Error(`expected ${url} to answer 200 within ${timeoutMs} ms, got ${last}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};
