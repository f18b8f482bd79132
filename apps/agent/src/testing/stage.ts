import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from '@jest/globals';
import { type ReportStatus } from '@signalbox/contracts';
import { eventually } from '@signalbox/testkit';
import { AgentProcess, createBench, processesWith, type Bench } from './agent-process.ts';
import { GatewayDouble, type HeldAttempt } from './gateway-double.ts';

/** What one test has: a gateway double, a state folder, and agents that end with it. */
export class Stage {
  readonly gateway = new GatewayDouble();
  readonly bundle: string;
  readonly stateDir: string;
  readonly agents: AgentProcess[] = [];

  constructor(bench: Bench) {
    this.bundle = bench.bundle;
    this.stateDir = bench.folder();
  }

  /** Starts an agent on the state folder of the test; by default with a token that the gateway takes. */
  start(
    flags: readonly string[] = ['--token', this.gateway.token],
    environment: Readonly<Record<string, string>> = {},
    server: string = this.gateway.url,
  ): AgentProcess {
    const words = [this.bundle, '--server', server, '--state-dir', this.stateDir, ...flags];
    const agent = new AgentProcess(words, environment);
    this.agents.push(agent);
    return agent;
  }

  /** Starts an agent on a certain Node, with the flags that its own installation gives it. */
  startOn(node: string): AgentProcess {
    const settings = [
      '--server',
      this.gateway.url,
      '--state-dir',
      this.stateDir,
      '--token',
      this.gateway.token,
    ];
    const agent = new AgentProcess(['--lite-mode', this.bundle, ...settings], {}, node);
    this.agents.push(agent);
    return agent;
  }

  /** Starts an agent in whose process some code runs first. */
  startWith(code: string, flags: readonly string[] = []): AgentProcess {
    const path = join(this.stateDir, 'before.mjs');
    writeFileSync(path, code);
    return this.start(['--token', this.gateway.token, ...flags], { NODE_OPTIONS: `--import=file://${path}` });
  }

  /** Resolves with the reported end of an attempt. */
  ended(held: HeldAttempt, timeoutMs = 10_000): Promise<ReportStatus> {
    return eventually(() => held.end, { what: 'the end of the attempt', timeoutMs });
  }

  /** Resolves when the output of an attempt shows the text. */
  async shows(held: HeldAttempt, text: string | RegExp): Promise<void> {
    await eventually(() => (typeof text === 'string' ? held.text().includes(text) : text.test(held.text())), {
      what: `the output to show ${text}`,
    });
  }

  /** A file of the state folder, parsed; null when there is none. */
  stateFile(name: string): Readonly<Record<string, unknown>> | null {
    try {
      return JSON.parse(readFileSync(join(this.stateDir, name), 'utf8'));
    } catch {
      return null;
    }
  }

  /** Whether the state folder holds something of that name. */
  hasState(name: string): boolean {
    return existsSync(join(this.stateDir, name));
  }

  /** Paths of what a folder of the state folder holds; none where there is no such folder. */
  filesOf(name: string): readonly string[] {
    const folder = join(this.stateDir, name);
    return existsSync(folder) ? readdirSync(folder).map((file) => join(folder, file)) : [];
  }

  async close(): Promise<void> {
    await Promise.all(this.agents.map((agent) => agent.kill()));
    await this.gateway.stop();
    for (const { ref } of this.gateway.attempts) for (const pid of processesWith(ref.jobId)) killIfThere(pid);
  }
}

const killIfThere = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    // Not `instanceof`: under Jest the errors of `process` are of another realm.
    if (!(typeof error === 'object' && error !== null && 'code' in error && error.code === 'ESRCH'))
      throw error;
  }
};

/** Pids that belong to an attempt, wherever they went. */
export const processesOf = (held: HeldAttempt): readonly number[] =>
  processesWith(`SIGNALBOX_JOB_ID=${held.ref.jobId}`);

/** Gives each test of a file its own stage; a test that breaks the protocol fails. @returns the stage of the running test */
export const useStage = (): (() => Stage) => {
  let bench: Bench | undefined;
  let stage: Stage | undefined;
  beforeAll(async () => {
    bench = await createBench();
  });
  beforeEach(async () => {
    if (bench === undefined) throw new Error('expected a bench, got none');
    stage = new Stage(bench);
    await stage.gateway.start();
  });
  afterEach(async () => {
    await stage?.close();
    expect(stage?.gateway.violations).toEqual([]);
  });
  afterAll(() => bench?.remove());
  return () => {
    if (stage === undefined) throw new Error('expected a running test, got none');
    return stage;
  };
};
