import { spawn } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

const systemPath = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** What a command has written, and how it ended. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly cwd?: string;
  /** Added to the environment; an empty text takes a variable away. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a command to its end, whatever that is. */
export const tryRun = (
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.once('error', reject);
    child.once('close', (code, signal) =>
      resolve({ code: code ?? -1, stdout, stderr: `${stderr}${signal ?? ''}` }),
    );
  });

/** Runs a command; answers its standard output. @throws Error it ended with another code than 0 */
export const run = async (
  command: string,
  args: readonly string[],
  options?: CommandOptions,
): Promise<string> => {
  const { code, stdout, stderr } = await tryRun(command, args, options);
  if (code === 0) return stdout;
  const end = `${stdout}\n${stderr}`.trim().slice(-6_000);
  throw new Error(
    `expected ${command} ${args.slice(0, 6).join(' ')} to succeed, got exit code ${code}:\n${end}`,
  );
};

/** Runs a line of shell; a failure in any part of a pipe counts. */
export const shell = (line: string, ...args: readonly string[]): Promise<string> =>
  run('/bin/bash', ['-c', `set -euo pipefail; ${line}`, 'bash', ...args]);

/** Path of a program of this system; undefined where it is not installed. */
export const programPath = async (name: string): Promise<string | undefined> => {
  for (const folder of [...systemPath, ...(process.env['PATH'] ?? '').split(delimiter)]) {
    const path = join(folder, name);
    const isThere = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return path;
  }
  return undefined;
};
