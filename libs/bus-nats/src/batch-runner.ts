import type { Position, RecordedEvent } from '@signalbox/contracts';
import { ReaderOvertaken, type ReaderState } from '@signalbox/event-store';
import { attemptBatch, type Parked } from './batch-attempt.ts';
import type { Routes } from './handling.ts';
import { backOffMs } from './signal.ts';

export interface RunnerOptions<Tx> {
  readonly state: ReaderState<Tx>;
  readonly routes: Routes<Tx>;
  /** Most events per commit; 1 where nothing can be rolled back. */
  readonly maxBatch: number;
  /** How often a handler may throw on one event before it is parked. */
  readonly maxAttempts: number;
  /** First and longest wait after a failure in milliseconds; each is twice the one before. */
  readonly backOffMs: { readonly first: number; readonly most: number };
  readonly isTransient: (error: unknown) => boolean;
  /** Waits, shorter when `isOver` becomes true. */
  readonly pause: (ms: number) => Promise<void>;
  /** True when the rest of the events is to be left alone; asked between commits. */
  readonly isOver: () => boolean;
  readonly on: {
    readonly moved: (position: Position) => void;
    readonly handled?: ((events: readonly RecordedEvent[], durationMs: number) => void) | undefined;
    readonly error: (error: unknown, event: RecordedEvent | undefined) => void;
    readonly parked: (event: RecordedEvent, reason: string) => void;
  };
}

/** How long a reader may go on without a look at what is parked, if anything is. */
const parkedLookMs = 1_000;

export interface RunnerCounts {
  /** Events passed, whether anybody wanted them or not. */
  readonly passed: number;
  readonly parked: number;
  /** Times a handler answered retry. */
  readonly retried: number;
  /** Times a handler threw, or a transaction failed. */
  readonly failed: number;
  readonly commits: number;
}

/**
 * Moves a reader over events, in order and without gaps: what the handlers write and the position commit together.
 *
 * A batch whose handler answers retry or park leaves no rows: it is rolled back; what comes before a retried event
 * commits, and the event is tried again after its wait, with nothing overtaking it. After a throw the batch is replayed
 * one event per commit, so that only the event that throws is retried and at last parked. Failures of the transaction,
 * the commit or the connection are repeated for ever.
 */
export class BatchRunner<Tx> {
  readonly #options: RunnerOptions<Tx>;
  #parkedStreams: Set<string>;
  #position: Position;
  readonly #condemned = new Map<string, string>();
  readonly #attempts = new Map<string, number>();
  #counts: RunnerCounts = { passed: 0, parked: 0, retried: 0, failed: 0, commits: 0 };
  /** Position that a commit of unknown outcome may have written. */
  #doubt: Position | undefined;
  #current: RecordedEvent | undefined;
  #turn: Promise<void> = Promise.resolve();
  #lookedAt = performance.now();

  private constructor(options: RunnerOptions<Tx>, position: Position, parked: ReadonlySet<string>) {
    this.#options = options;
    this.#position = position;
    this.#parkedStreams = new Set(parked);
  }

  static async open<Tx>(options: RunnerOptions<Tx>): Promise<BatchRunner<Tx>> {
    return new BatchRunner(options, await options.state.position(), await options.state.parkedStreams());
  }

  position(): Position {
    return this.#position;
  }

  /** The event at which the reader works; undefined while it has nothing to do. */
  current(): RecordedEvent | undefined {
    return this.#current;
  }

  counts(): RunnerCounts {
    return this.#counts;
  }

  parkedStreams(): ReadonlySet<string> {
    return this.#parkedStreams;
  }

  async reloadParked(): Promise<void> {
    this.#parkedStreams = new Set(await this.#options.state.parkedStreams());
    this.#lookedAt = performance.now();
  }

  /** Looks again at what is parked, if anything was a second ago: it may have been re-driven in another process. */
  async refreshParked(): Promise<void> {
    const isOld = performance.now() - this.#lookedAt >= parkedLookMs;
    if (isOld && this.#parkedStreams.size > 0) await this.reloadParked();
  }

  /**
   * Processes events, which follow the position directly. Resolves when all are committed or `isOver` says so.
   *
   * @throws ReaderOvertaken another reader has moved the position
   */
  async run(events: readonly RecordedEvent[]): Promise<void> {
    const { maxBatch, isOver } = this.#options;
    let together = maxBatch;
    let alone = 0;
    for (let next = 0; !isOver();) {
      await this.#resolveDoubt();
      if (this.#doubt !== undefined) break;
      while (this.#isPassed(events[next])) next += 1;
      this.#current = events[next];
      if (this.#current === undefined) break;
      const batch = events.slice(next, next + (alone > 0 ? 1 : together));
      if (batch.some(({ stream }) => this.#parkedStreams.has(stream))) await this.reloadParked();
      else await this.refreshParked();
      const startedAt = performance.now();
      const outcome = await this.#attempt(batch);
      switch (outcome.kind) {
        case 'committed':
          this.#committed(batch, outcome.parked);
          this.#tellHandled(batch, outcome.parked, performance.now() - startedAt);
          outcome.runAfter((error) => this.#options.on.error(error, undefined));
          alone -= 1;
          together = maxBatch;
          break;
        case 'retry':
          this.#count({ retried: 1 });
          if (outcome.at > 0) together = outcome.at;
          else await this.#options.pause(outcome.afterMs);
          break;
        case 'park':
          this.#condemn(batch[outcome.at], outcome.reason);
          break;
        case 'thrown':
          await this.#thrown(outcome.error, batch);
          if (batch.length > 1) alone = batch.length;
          break;
        case 'broken':
          await this.#broken(outcome.error, batch);
          break;
        default:
          outcome satisfies never;
      }
    }
    this.#current = undefined;
  }

  /** Waits for the attempt that runs, then keeps the next one waiting until `work` is done. */
  async exclusively<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#turn;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#turn = promise;
    await before;
    try {
      return await work();
    } finally {
      resolve();
    }
  }

  #isPassed(event: RecordedEvent | undefined): boolean {
    return event !== undefined && event.position <= this.#position;
  }

  #attempt(events: readonly RecordedEvent[]) {
    const { state, routes, isTransient } = this.#options;
    const attempt = () => ({
      state,
      routes,
      isTransient,
      events,
      expected: this.#position,
      parkedStreams: this.#parkedStreams,
      condemned: this.#condemned,
    });
    return this.exclusively(() => attemptBatch(attempt()));
  }

  #committed(batch: readonly RecordedEvent[], parked: readonly Parked[]): void {
    for (const { event, reason } of parked) {
      this.#parkedStreams.add(event.stream);
      this.#options.on.parked(event, reason);
    }
    for (const event of batch) {
      this.#condemned.delete(event.id);
      this.#attempts.delete(event.id);
    }
    this.#count({ passed: batch.length, parked: parked.length, commits: 1 });
    this.#moveTo(batch.at(-1)?.position ?? this.#position);
  }

  #tellHandled(batch: readonly RecordedEvent[], parked: readonly Parked[], durationMs: number): void {
    const { on, routes } = this.#options;
    const aside = new Set(parked.map(({ event }) => event));
    on.handled?.(
      batch.filter((event) => routes(event.type) !== undefined && !aside.has(event)),
      durationMs,
    );
  }

  #moveTo(position: Position): void {
    this.#position = position;
    this.#attempts.clear();
    this.#options.on.moved(position);
  }

  /** A batch is taken apart; one event alone is retried, and parked after its last attempt. */
  async #thrown(error: unknown, batch: readonly RecordedEvent[]): Promise<void> {
    const [event] = batch;
    this.#count({ failed: 1 });
    this.#options.on.error(error, batch.length === 1 ? event : undefined);
    if (event === undefined || batch.length > 1) return;
    const failures = this.#nextAttempt(event.id);
    if (failures >= this.#options.maxAttempts) this.#condemn(event, describe(error));
    else await this.#options.pause(this.#backOff(failures));
  }

  async #broken(error: unknown, batch: readonly RecordedEvent[]): Promise<void> {
    this.#count({ failed: 1 });
    this.#options.on.error(error, undefined);
    this.#doubt = batch.at(-1)?.position;
    await this.#options.pause(this.#backOff(this.#nextAttempt('')));
  }

  /** After a commit of unknown outcome: asks where the reader stands, until there is an answer. */
  async #resolveDoubt(): Promise<void> {
    const { state, on, pause, isOver } = this.#options;
    while (this.#doubt !== undefined && !isOver()) {
      try {
        const actual = await state.position();
        if (actual === this.#doubt) {
          await this.reloadParked();
          this.#moveTo(actual);
        } else if (actual !== this.#position) throw new ReaderOvertaken(state.name, this.#position);
        this.#doubt = undefined;
      } catch (error) {
        if (error instanceof ReaderOvertaken) throw error;
        on.error(error, undefined);
        await pause(this.#backOff(this.#nextAttempt('')));
      }
    }
  }

  #condemn(event: RecordedEvent | undefined, reason: string): void {
    if (event !== undefined) this.#condemned.set(event.id, reason);
  }

  #nextAttempt(key: string): number {
    const failures = (this.#attempts.get(key) ?? 0) + 1;
    this.#attempts.set(key, failures);
    return failures;
  }

  #backOff(failures: number): number {
    return backOffMs(failures - 1, this.#options.backOffMs.first, this.#options.backOffMs.most);
  }

  #count(more: Partial<RunnerCounts>): void {
    const { passed, parked, retried, failed, commits } = this.#counts;
    this.#counts = {
      passed: passed + (more.passed ?? 0),
      parked: parked + (more.parked ?? 0),
      retried: retried + (more.retried ?? 0),
      failed: failed + (more.failed ?? 0),
      commits: commits + (more.commits ?? 0),
    };
  }
}

const describe = (error: unknown): string => (error instanceof Error ? error.message : String(error));
