import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { open, rename, stat } from 'node:fs/promises';
import { Socket } from 'node:net';
import type { Account } from './account.ts';
import { withoutCode } from './file-errors.ts';
import { signalIfAlive } from './owner.ts';

const largestLogBytes = 4 * 1024 * 1024;
const largestTailBytes = 4096;

/** Thrown when a server ends or does not answer before it was ready; the message holds the end of its log. */
export class ServerFailed extends Error {
  constructor(what: string, got: string, log: string, cause?: unknown) {
    super(`expected ${what} to become ready, got: ${got}\n${log}`.trimEnd(), { cause });
    this.name = 'ServerFailed';
  }
}

/** Thrown when the port a server has to listen on is taken. */
export class PortInUse extends Error {
  readonly port: number;
  constructor(what: string, port: number) {
    super(`expected port ${port} of 127.0.0.1 to be free for ${what}, got another process listening there`);
    this.name = 'PortInUse';
    this.port = port;
  }
}

export interface ServerProcess {
  readonly pid: number;
  /** Resolves with how the process ended, such as `exit code 1`. */
  readonly exited: Promise<string>;
  isRunning(): boolean;
  /** Signals the process itself, not its children; nothing happens when it has ended. */
  signal(signal: NodeJS.Signals): void;
  /** Asks the process to end (SIGINT), kills it after `timeoutMs`, resolves when it is gone. */
  stop(timeoutMs: number): Promise<void>;
  /** The last 4 KiB of what it has written since it was started. */
  log(): Promise<string>;
}

export interface SpawnOptions {
  readonly command: string;
  readonly args: readonly string[];
  /** Takes both outputs, appended; above 4 MiB the old file is kept as `<file>.1`. */
  readonly logFile: string;
  readonly account: Account | undefined;
  readonly env?: Readonly<Record<string, string>>;
}

const openLog = async (file: string) => {
  const size = (await stat(file).catch(withoutCode('ENOENT')))?.size ?? 0;
  if (size > largestLogBytes) await rename(file, `${file}.1`);
  const handle = await open(file, 'a+', 0o600);
  return { handle, start: (await handle.stat()).size };
};

const readTail = async (file: string, start: number): Promise<string> => {
  const handle = await open(file, 'r').catch(withoutCode('ENOENT'));
  if (handle === undefined) return '';
  try {
    const { size } = await handle.stat();
    const from = Math.max(start, size - largestTailBytes);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(Math.max(size - from, 0)), 0, null, from);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await handle.close();
  }
};

/**
 * Ends the server when we die in whatever way: a shell waits on a pipe that only we hold, and when the kernel closes it
 * without a word having been written, interrupts the server.
 */
export const endWithStarter = (server: ChildProcess, pid: number, account?: Account): void => {
  const script = 'read -r word; [ "$word" = ended ] || kill -INT "$1"';
  const watcher = spawn('/bin/sh', ['-c', script, 'sh', String(pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    cwd: '/',
    env: { PATH: '/usr/bin:/bin' },
    detached: true,
    ...account,
  });
  watcher.on('error', () => undefined);
  watcher.stdin.on('error', () => undefined);
  watcher.unref();
  if (watcher.stdin instanceof Socket) watcher.stdin.unref();
  server.once('exit', () => {
    watcher.stdin.end('ended\n');
  });
};

const stopProcess = async (server: ServerProcess, timeoutMs: number): Promise<void> => {
  const killTimer = setTimeout(() => {
    server.signal('SIGKILL');
  }, timeoutMs);
  server.signal('SIGINT');
  await server.exited;
  clearTimeout(killTimer);
};

/**
 * Starts a server in a process group of its own, so that a Ctrl-C in the terminal reaches us only and we stop it in
 * our order. It ends when this process ends, even if that is killed.
 */
export const spawnServer = async (options: SpawnOptions): Promise<ServerProcess> => {
  const { handle, start } = await openLog(options.logFile);
  const child = spawn(options.command, options.args, {
    stdio: ['ignore', handle.fd, handle.fd],
    cwd: '/',
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC', ...options.env },
    detached: true,
    ...options.account,
  });
  const exited = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => {
      resolve(signal === null ? `exit code ${code ?? 'unknown'}` : `signal ${signal}`);
    });
  });
  try {
    await once(child, 'spawn');
  } finally {
    await handle.close();
  }
  const { pid } = child;
  if (pid === undefined) throw new Error(`expected ${options.command} to have a process id, got none`);
  endWithStarter(child, pid, options.account);
  const isRunning = () => child.exitCode === null && child.signalCode === null;
  const server: ServerProcess = {
    pid,
    exited,
    isRunning,
    signal: (signal) => {
      if (isRunning()) signalIfAlive(pid, signal);
    },
    stop: (timeoutMs) => stopProcess(server, timeoutMs),
    log: () => readTail(options.logFile, start),
  };
  return server;
};
