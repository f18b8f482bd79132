import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stop } from 'esbuild';
import { buildAgent } from '../../build.ts';

/** A folder of one spec file, with the bundle in it; everything under it goes with `remove`. */
export interface Bench {
  readonly bundle: string;
  /** A new empty folder. */
  folder(): string;
  remove(): void;
}

export const createBench = async (): Promise<Bench> => {
  const root = mkdtempSync(join(tmpdir(), 'signalbox-agent-'));
  const bundle = join(root, 'signalbox-agent.mjs');
  await buildAgent(bundle);
  await stop();
  return {
    bundle,
    folder: () => mkdtempSync(join(root, 'dir-')),
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
};

/** The Node that agents of specs run on: another than the one that runs the spec, where a variable says so. */
export const agentNode = (): string => process.env['SIGNALBOX_TEST_AGENT_NODE'] ?? process.execPath;

/** The bundled agent as a child process. */
export class AgentProcess {
  readonly #child: ChildProcess;
  readonly exited: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  #log = '';

  /** @param words what Node gets: flags of its own, the bundle, flags of the agent */
  constructor(
    words: readonly string[],
    environment: Readonly<Record<string, string>> = {},
    node: string = agentNode(),
  ) {
    this.#child = spawn(node, words, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { PATH: process.env['PATH'] ?? '', HOME: tmpdir(), ...environment },
    });
    this.#child.stderr?.on('data', (part: Buffer) => {
      this.#log += part.toString();
    });
    this.exited = new Promise((resolve) => {
      this.#child.once('exit', (code, signal) => resolve({ code, signal }));
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }
  get log(): string {
    return this.#log;
  }
  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }
  /** Ends it whatever it does; for the end of a test. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.exited;
  }
  /** Resident memory in KiB: all of it, or the part that is this process's own and no page of a file. */
  residentKib(part: 'VmRSS' | 'RssAnon' = 'VmRSS'): number {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8');
    return Number(new RegExp(`${part}:\\s+(\\d+)`).exec(status)?.[1]);
  }
}

/** Pids of the processes, not ended, that have this text in their environment. */
export const processesWith = (text: string): readonly number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const isZombie = /\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
        return !isZombie && readFileSync(`/proc/${pid}/environ`, 'latin1').includes(text);
      } catch {
        return false;
      }
    });
