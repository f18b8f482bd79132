import type { Timings } from './attempt-trace.ts';
import { DocumentRejected, planOf, type Plan, type PlannedStep } from './document.ts';
import { childEnvironment } from './environment.ts';
import { documentHashOf } from './hash-chain.ts';
import type { Journal } from './journal.ts';
import { errorText } from './log.ts';
import type { Output } from './output.ts';
import { aborted, pause } from './pause.ts';
import { type Belonging, killNow, marked, stopProcesses, survivors } from './process-group.ts';
import {
  advance,
  agentFailed,
  endOfStop,
  goOn,
  isInterrupted,
  rejected,
  succeeded,
  type Leftover,
  type Progress,
  type StepOutcome,
  type StepPlace,
  type StopCause,
} from './progress.ts';
import { CannotStart, startStep, type StepProcess } from './step-process.ts';
import { refOf, type AttemptEnd, type AttemptRef, type Offer } from './wire.ts';

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
  /** How much lower than the agent's the priority of steps is, 0 to 19. */
  readonly niceness: number;
  /** What an earlier run of the agent left of it; null for an attempt that begins. */
  readonly left: Leftover | null;
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
  readonly #niceness: number;
  readonly #left: Leftover | null;
  readonly #stop = new AbortController();
  readonly #giveUpReading = new AbortController();
  #cause: StopCause | null = null;
  #groups: number[] = [];
  #isRunning = false;
  #executedSteps = 0;

  constructor(parts: AttemptParts) {
    this.ref = refOf(parts.offer);
    this.#offer = parts.offer;
    this.#output = parts.output;
    this.#journal = parts.journal;
    this.#timings = parts.timings;
    this.#inherited = parts.inheritedEnvironment;
    this.#niceness = parts.niceness;
    this.#left = parts.left;
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
    if (this.#isRunning) killNow(this.#everything());
  }

  /**
   * Resolves when it has ended and its output is complete; never rejects.
   * @returns null when it was interrupted where it may go on: the next start of the agent does
   */
  async run(): Promise<AttemptEnd | null> {
    const timer = setTimeout(() => this.stop('timed-out'), Math.max(0, this.#offer.remainingMs));
    if (this.#offer.remainingMs <= 0) this.stop('timed-out');
    try {
      if (this.#left === null) this.#journal.begin(this.#offer);
      this.#isRunning = true;
      return await this.#runPlan(planOfOffer(this.#offer));
    } catch (error) {
      if (error instanceof DocumentRejected) return rejected(error.message);
      const isGone = await stopProcesses(this.#everything(), 0);
      return agentFailed(errorText(error), isGone, this.#executedSteps);
    } finally {
      clearTimeout(timer);
      this.#isRunning = false;
      this.#output.finish();
      this.#timings.end();
    }
  }

  /** What belongs to it by group or by marker. */
  #everything(): Belonging {
    return { ...marked(this.ref), groups: this.#groups };
  }

  async #runPlan(plan: Plan): Promise<AttemptEnd | null> {
    if (this.#left === null) return this.#runSteps(plan, { index: 0, executedSteps: 0 });
    const next = goOn(plan, this.#left);
    if (next.end !== null) return next.end;
    if (this.#left.running !== null) {
      this.#output.say(`step "${plan[next.from.index]?.name ?? ''}" was interrupted and runs again`);
    }
    return this.#runSteps(plan, next.from);
  }

  async #runSteps(plan: Plan, from: StepPlace): Promise<AttemptEnd | null> {
    let progress: Progress = { executedSteps: from.executedSteps, end: null };
    this.#executedSteps = progress.executedSteps;
    for (const [index, step] of plan.entries()) {
      if (index < from.index) continue;
      if (this.#cause === 'interrupted') return null;
      if (this.#cause !== null) return endOfStop(progress, this.#cause);
      // The journal is about to say that the steps before have finished: then their output has to be kept as well.
      await this.#output.sync();
      await this.#journal.stepStarts(index, progress.executedSteps, step.mayRerun);
      const ended = this.#timings.step(step.name);
      const outcome = await this.#runStep(step, index);
      ended(outcome.kind === 'exited' ? outcome.exitCode : null);
      if (step.mayRerun && isInterrupted(outcome)) return null;
      progress = advance(progress, step, outcome);
      this.#executedSteps = progress.executedSteps;
      if (progress.end !== null) return progress.end;
      this.#journal.noteNext(index + 1, progress.executedSteps);
    }
    return succeeded(plan, progress);
  }

  async #runStep(step: PlannedStep, index: number): Promise<StepOutcome> {
    let running: StepProcess;
    try {
      const environment = childEnvironment(this.#inherited, step.environment, {
        ...this.ref,
        step: index + 1,
      });
      running = await startStep(step, { environment, sink: this.#output, niceness: this.#niceness });
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
    const all = this.#everything();
    const gone = await stopProcesses(all, this.#cause === 'dropped' ? 0 : this.#offer.killGraceMs);
    const last = await Promise.race([running.exited, pause(1_000).then(() => null)]);
    await running.pipes.settle(this.#giveUpReading.signal);
    const signal = last?.signal ?? null;
    if (this.#cause === null) return { kind: 'step-timed-out', signal, gone };
    return { kind: 'stopped', cause: this.#cause, signal, gone };
  }
}
