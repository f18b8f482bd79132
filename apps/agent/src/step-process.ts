import { spawn, type ChildProcess } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';
import { delimiter, join } from 'node:path';
import type { PlannedStep } from './document.ts';
import { Pipes, type OutputSink } from './pipes.ts';
import { childrenOf } from './proc.ts';

/** How the first process of a step ended; exactly one of both is set. */
export interface Exit {
  readonly exitCode: number | null;
  readonly signal: string | null;
}

/** The step's program could not be started at all. */
export class CannotStart extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'CannotStart';
  }
}

/** A running step: leader of its own process group and session, so that all of it can be stopped. */
export interface StepProcess {
  /** Also the id of its process group. */
  readonly pid: number;
  /** Resolves when the first process has ended; others of its group may go on. */
  readonly exited: Promise<Exit>;
  readonly pipes: Pipes;
}

const isProgram = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
};

const isOnPath = (program: string, path: string): boolean =>
  path.split(delimiter).some((folder) => folder !== '' && isProgram(join(folder, program)));

/** Program and arguments of a step; a shell line goes to bash, or to sh where there is no bash. */
export const argvOf = (
  run: PlannedStep['run'],
  environment: Readonly<Record<string, string>>,
): readonly [string, ...string[]] => {
  if (run.kind === 'command') return run.argv;
  return [isOnPath('bash', environment.PATH ?? '') ? 'bash' : 'sh', '-c', run.command];
};

const isFolder = (path: string): boolean => {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
};

const startText = (program: string, error: unknown): string => {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT') return `expected a program that exists, got "${program}", which was not found`;
  if (code === 'EACCES') return `expected a program that may be run, got "${program}": permission denied`;
  if (code === 'E2BIG') return `expected shorter arguments and environment, got more than the system takes`;
  return `expected "${program}" to start, got ${error instanceof Error ? error.message : String(error)}`;
};

/**
 * Lets the agent go first when the machine is short of CPU. What the step starts inherits it; what it started before this
 * was done, on a machine that is short of CPU already, is lowered with it. Where that is refused, or a process is gone
 * already, it runs as the agent does.
 */
const lowerPriority = (pid: number, niceness: number): void => {
  try {
    setPriority(pid, niceness);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
  }
  for (const child of childrenOf(pid)) lowerPriority(child, niceness);
};

const spawned = (child: ChildProcess): Promise<void> =>
  new Promise((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', reject);
  });

/**
 * Starts a step without a terminal, with an empty input, and reads its output into the sink.
 * @throws CannotStart with a text for people
 */
export const startStep = async (
  step: PlannedStep,
  how: {
    readonly environment: Readonly<Record<string, string>>;
    readonly sink: OutputSink;
    readonly niceness: number;
  },
): Promise<StepProcess> => {
  const { environment, sink } = how;
  const [program, ...words] = argvOf(step.run, environment);
  if (step.workingDirectory !== null && !isFolder(step.workingDirectory)) {
    throw new CannotStart(`expected a working directory that exists, got "${step.workingDirectory}"`);
  }
  if (step.run.kind === 'shell') sink.write('stdout', Buffer.from(`$ ${step.run.command}\n`));
  try {
    const child = spawn(program, words, {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...environment },
      ...(step.workingDirectory === null ? {} : { cwd: step.workingDirectory }),
    });
    const exited = new Promise<Exit>((resolve) => {
      child.once('exit', (exitCode, signal) => resolve({ exitCode, signal }));
    });
    await spawned(child);
    child.on('error', () => undefined); // a later failure to signal it is seen by who looks for survivors
    if (child.pid === undefined)
      throw new CannotStart(`expected "${program}" to have a process id, got none`);
    if (how.niceness > 0) lowerPriority(child.pid, Math.min(19, getPriority() + how.niceness));
    return { pid: child.pid, exited, pipes: new Pipes(child.stdout, child.stderr, sink) };
  } catch (error) {
    throw error instanceof CannotStart ? error : new CannotStart(startText(program, error), error);
  }
};
