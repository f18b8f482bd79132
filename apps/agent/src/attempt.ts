import type { Timings } from './attempt-trace.ts';
import { DocumentRejected, planOf, type Plan, type PlannedStep } from './document.ts';
import { childEnvironment } from './environment.ts';
import { documentHashOf } from './hash-chain.ts';
import type { Journal } from './journal.ts';
import { errorText } from './log.ts';
import type { Output } from './output.ts';
import { aborted, pause } from './pause.ts';
import { killNow, stopProcesses, survivors } from './process-group.ts';
import {
  advance,
  agentFailed,
  atStart,
  endOfStop,
  rejected,
  succeeded,
  type StepOutcome,
  type StopCause,
} from './progress.ts';
import { CannotStart, startStep, type StepProcess } from './step-process.ts';
import { attemptKey, refOf, type AttemptEnd, type AttemptRef, type Offer } from './wire.ts';

/** Output that an interrupted attempt left in its pipes is read for this long. */
const lastReadMs = 2_000;

/** Checks the hash and reads the document. @throws DocumentRejected */
const planOfOffer = (offer: Offer): Plan => {
  const hash = documentHashOf(offer.document);
  if (hash !== offer.documentHash) {
    throw new DocumentRejected(`expected a document with SHA-256 ${offer.documentHash}, got ${hash}`);
  }
  return planOf(offer.document);
};

export interface AttemptParts {
  readonly offer: Offer;
  readonly output: Output;
  readonly journal: Journal;
  readonly timings: Timings;
  /** Of the agent; steps get it without what belongs to Signalbox. */
  readonly inheritedEnvironment: Readonly<Record<string, string | undefined>>;
}

/**
 * Runs one attempt on this machine: its steps one after the other, each in its own process group, until they have
 * ended or it is stopped. What is left of a step's group when the step has ended is stopped, too; only a process that
 * left the group for a session of its own outlives a step, and even that not a cancel, a timeout or an interruption.
 */
export class Attempt {
  readonly ref: AttemptRef;
  readonly #offer: Offer;
  readonly #output: Output;
  readonly #journal: Journal;
  readonly #timings: Timings;
  readonly #inherited: AttemptParts['inheritedEnvironment'];
  readonly #stop = new AbortController();
  readonly #giveUpReading = new AbortController();
  #cause: StopCause | null = null;
  #groups: number[] = [];
  #isRunning = false;

  constructor(parts: AttemptParts) {
    this.ref = refOf(parts.offer);
    this.#offer = parts.offer;
    this.#output = parts.output;
    this.#journal = parts.journal;
    this.#timings = parts.timings;
    this.#inherited = parts.inheritedEnvironment;
  }

  /** Why it is being stopped; null while nobody asked. */
  get stopCause(): StopCause | null {
    return this.#cause;
  }

  /** Stops it. The first cause is the one reported, but `dropped` always counts. */
  stop(cause: StopCause): void {
    if (this.#cause === null || cause === 'dropped') this.#cause = cause;
    this.#stop.abort();
    // Reading waits for a server that is away, but not beyond the life of this program.
    if (cause === 'dropped') this.#giveUpReading.abort();
    if (cause === 'interrupted') setTimeout(() => this.#giveUpReading.abort(), lastReadMs).unref();
  }

  /** Kills its processes without waiting; for the last moment of this program. */
  killNow(): void {
    if (this.#isRunning) killNow({ groups: this.#groups, marker: attemptKey(this.ref) });
  }

  /** Resolves when it has ended and its output is complete; never rejects. */
  async run(): Promise<AttemptEnd> {
    const timer = setTimeout(() => this.stop('timed-out'), Math.max(0, this.#offer.remainingMs));
    if (this.#offer.remainingMs <= 0) this.stop('timed-out');
    try {
      this.#journal.begin(this.ref, this.#offer.killGraceMs);
      this.#isRunning = true;
      return await this.#runSteps(planOfOffer(this.#offer));
    } catch (error) {
      if (error instanceof DocumentRejected) return rejected(error.message);
      const isGone = await stopProcesses({ groups: this.#groups, marker: attemptKey(this.ref) }, 0);
      return agentFailed(errorText(error), isGone);
    } finally {
      clearTimeout(timer);
      this.#isRunning = false;
      this.#output.finish();
      this.#timings.end();
    }
  }

  async #runSteps(plan: Plan): Promise<AttemptEnd> {
    let progress = atStart;
    for (const step of plan) {
      if (this.#cause !== null) return endOfStop(progress, this.#cause);
      const ended = this.#timings.step(step.name);
      const outcome = await this.#runStep(step);
      ended(outcome.kind === 'exited' ? outcome.exitCode : null);
      progress = advance(progress, step, outcome);
      if (progress.end !== null) return progress.end;
    }
    return succeeded(plan, progress);
  }

  async #runStep(step: PlannedStep): Promise<StepOutcome> {
    let running: StepProcess;
    try {
      const environment = childEnvironment(this.#inherited, step.environment, this.ref);
      running = await startStep(step, environment, this.#output);
    } catch (error) {
      if (error instanceof CannotStart) return { kind: 'not-started', message: error.message };
      throw error;
    }
    this.#groups = [running.pid];
    this.#journal.noteLeader(running.pid);
    const stepLimit = new AbortController();
    const timer = step.timeoutMs === null ? null : setTimeout(() => stepLimit.abort(), step.timeoutMs);
    try {
      return await this.#follow(running, stepLimit.signal);
    } finally {
      if (timer !== null) clearTimeout(timer);
      running.pipes.close();
    }
  }

  /** Waits for the step to end or to be stopped, whichever is first. */
  async #follow(running: StepProcess, stepLimit: AbortSignal): Promise<StepOutcome> {
    const ended = running.exited.then(async (exit) => {
      await running.pipes.settle(this.#stop.signal);
      return exit;
    });
    const stopped = Promise.race([aborted(this.#stop.signal), aborted(stepLimit)]).then(() => null);
    const exit = await Promise.race([ended, stopped]);
    const group = { groups: [running.pid], marker: null };
    if (exit !== null && !this.#stop.signal.aborted) {
      const isAlone = survivors(group).length === 0;
      const isGone = isAlone || (await stopProcesses(group, this.#offer.killGraceMs));
      if (!isAlone) await running.pipes.settle(this.#giveUpReading.signal);
      if (!isGone) return { kind: 'stopped', cause: 'interrupted', signal: exit.signal, gone: false };
      return exit.signal === null
        ? { kind: 'exited', exitCode: exit.exitCode ?? 1 }
        : { kind: 'killed', signal: exit.signal };
    }
    const all = { ...group, marker: attemptKey(this.ref) };
    const gone = await stopProcesses(all, this.#cause === 'dropped' ? 0 : this.#offer.killGraceMs);
    const last = await Promise.race([running.exited, pause(1_000).then(() => null)]);
    await running.pipes.settle(this.#giveUpReading.signal);
    const signal = last?.signal ?? null;
    if (this.#cause === null) return { kind: 'step-timed-out', signal, gone };
    return { kind: 'stopped', cause: this.#cause, signal, gone };
  }
}
