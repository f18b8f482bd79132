import { jetstreamManager } from '@nats-io/jetstream';
import type { Position, RecordedEvent } from '@signalbox/contracts';
import { ReaderOvertaken, type ParkedEvent } from '@signalbox/event-store';
import { BatchRunner } from './batch-runner.ts';
import { linkOf, type Link } from './connection.ts';
import { Delivery } from './delivery.ts';
import { eventsStreamInfo } from './events-stream.ts';
import { routesOf, type Routes } from './handling.ts';
import { Intake } from './intake.ts';
import { MemoryReaderState } from './memory-reader-state.ts';
import { ReaderSession, StoreRestored } from './reader-session.ts';
import type { Reader, ReaderActivity, ReaderSetup, ReaderStatus } from './reader.ts';
import { redriveStream } from './redrive.ts';
import { backOffMs, Signal } from './signal.ts';
import { isTransient } from './transient.ts';
import { Waiters } from './waiters.ts';

/**
 * Starts the ordered reader: every event once and in order, rows and position in one commit. Reads nothing without a NATS
 * connection.
 *
 * @throws whatever the state throws when it is read at the start
 */
export const startReader = async <Tx>(setup: ReaderSetup<Tx>): Promise<Reader> => {
  const reader = new OrderedReader(setup);
  await reader.start();
  return reader;
};

const streamPollMs = 200;

class OrderedReader<Tx> implements Reader {
  readonly caughtUp: Promise<void>;
  readonly ended: Promise<Error | undefined>;
  readonly #setup: ReaderSetup<Tx>;
  readonly #link: Link;
  readonly #routes: Routes<Tx>;
  readonly #intake: Intake;
  readonly #signal = new Signal();
  readonly #waiters = new Waiters();
  readonly #reached = Promise.withResolvers<void>();
  readonly #over = Promise.withResolvers<Error | undefined>();
  #runner: BatchRunner<Tx> | undefined;
  #delivery: Delivery | undefined;
  #epoch = 0;
  #activity: ReaderActivity = 'waiting';
  #stopping = false;
  #gaps = 0;
  #deliveries = 0;
  #behind: RecordedEvent | undefined;

  constructor(setup: ReaderSetup<Tx>) {
    this.#setup = setup;
    this.#link = linkOf(setup.nc);
    this.#routes = routesOf(setup.consumers);
    this.#intake = new Intake(setup.store.storeId, (error) =>
      setup.log?.warn('passed over a foreign message', { reader: setup.name, error }),
    );
    this.caughtUp = this.#reached.promise;
    this.caughtUp.catch(() => undefined);
    this.ended = this.#over.promise;
  }

  async start(): Promise<void> {
    const { state, batchSize = 200, maxAttempts = 5, backOffMs: waits, on } = this.#setup;
    this.#runner = await BatchRunner.open({
      state,
      routes: this.#routes,
      maxBatch: state instanceof MemoryReaderState ? 1 : batchSize,
      maxAttempts,
      backOffMs: waits ?? { first: 100, most: 10_000 },
      isTransient: (error) => isTransient(error) || this.#setup.isTransient?.(error) === true,
      pause: (ms) => this.#pause(ms),
      isOver: () => this.#isOver(),
      on: {
        moved: (position) => this.#moved(position),
        handled: on?.handled,
        error: (error, event) => this.#failed(error, event),
        parked: (event, reason) => {
          this.#setup.log?.error('parked an event', { ...this.#fieldsOf(event), detail: reason });
          on?.parked?.(event, reason);
        },
      },
    });
    void this.#run(this.#runner);
  }

  position(): Position {
    return this.#openRunner().position();
  }

  status(): ReaderStatus {
    const runner = this.#openRunner();
    return {
      ...runner.counts(),
      ...this.#intake.counts(),
      activity: this.#activity,
      position: runner.position(),
      lagMs: this.lagMs(),
      parkedStreams: runner.parkedStreams().size,
      gaps: this.#gaps,
      deliveries: this.#deliveries,
    };
  }

  lagMs(): number {
    const runner = this.#openRunner();
    const waiting =
      this.#delivery === undefined ? undefined : this.#intake.oldest(this.#delivery, runner.position());
    const probed =
      this.#behind !== undefined && this.#behind.position > runner.position() ? this.#behind : undefined;
    const oldest = runner.current() ?? waiting ?? probed;
    if (oldest === undefined) return 0;
    const { now = Date.now } = this.#setup;
    return Math.max(0, now() - Date.parse(oldest.recordedAt));
  }

  waitFor(position: Position, timeoutMs: number): Promise<boolean> {
    if (this.position() >= position) return Promise.resolve(true);
    if (this.#activity === 'stopped') return Promise.resolve(false);
    return this.#waiters.wait(position, timeoutMs);
  }

  parked(limit: number): Promise<readonly ParkedEvent[]> {
    return this.#setup.state.parked(limit);
  }

  redrive(stream: string): Promise<{ readonly handled: number; readonly left: number }> {
    const runner = this.#openRunner();
    return runner.exclusively(async () => {
      try {
        return await redriveStream(this.#setup.state, this.#routes, stream, (error) =>
          this.#failed(error, undefined),
        );
      } finally {
        await runner.reloadParked();
      }
    });
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#signal.notify();
    await this.ended;
  }

  async #run(runner: BatchRunner<Tx>): Promise<void> {
    const unlisten = this.#link.onChange(() => this.#signal.notify());
    let end: Error | undefined;
    for (let failures = 0; !this.#stopping && end === undefined;) {
      const before = runner.position();
      try {
        await this.#live(runner);
        failures = 0;
      } catch (error) {
        if (error instanceof ReaderOvertaken || error instanceof StoreRestored) end = error;
        else {
          failures = runner.position() > before ? 1 : failures + 1;
          this.#failed(error, undefined);
          await this.#signal.wait(backOffMs(failures - 1, 50, 2_000));
        }
      }
    }
    unlisten();
    this.#end(end);
  }

  #end(error: Error | undefined): void {
    this.#activity = 'stopped';
    this.#waiters.dismiss();
    this.#reached.reject(error ?? new Error(`expected reader ${this.#setup.name} to catch up, got its stop`));
    this.#over.resolve(error);
    if (error === undefined) return;
    this.#setup.log?.error('the reader has stopped', { reader: this.#setup.name, error });
    this.#setup.on?.stopped?.(error);
  }

  /** From a connection to its loss, or to the loss of the delivery. */
  async #live(runner: BatchRunner<Tx>): Promise<void> {
    const { nc, store, name, batchSize = 200, idleCheckMs = 1_000 } = this.#setup;
    this.#activity = 'waiting';
    if (!this.#link.isUp()) return this.#waitAndProbe(runner, idleCheckMs);
    this.#epoch = this.#link.epoch();
    const manager = await jetstreamManager(nc, { checkAPI: false });
    const stream = await this.#link.whileUp(eventsStreamInfo(manager));
    if (stream === undefined) return this.#waitAndProbe(runner, streamPollMs);
    const onChange = (): void => this.#signal.notify();
    const opening = Delivery.open({ connection: nc, manager, name, onChange });
    const delivery = await this.#link.whileUp(opening).catch((error: unknown) => {
      opening.then((late) => late.close()).catch(() => undefined);
      throw error;
    });
    this.#delivery = delivery;
    this.#deliveries += 1;
    this.#activity = 'catching-up';
    const session = new ReaderSession({
      name,
      store,
      delivery,
      stream,
      runner,
      batchSize,
      idleCheckMs,
      intake: this.#intake,
      signal: this.#signal,
      isOver: () => this.#isOver(),
      onGap: () => (this.#gaps += 1),
      onCaughtUp: () => this.#caughtUp(runner),
      streamInfo: () => this.#link.whileUp(eventsStreamInfo(manager)),
      onProbe: (event) => (this.#behind = event),
    });
    try {
      await session.follow();
    } finally {
      const detail = delivery.lost() ?? 'the connection was lost';
      if (!this.#stopping) this.#setup.log?.info('the delivery has ended', { reader: name, detail });
      this.#delivery = undefined;
      delivery.close();
    }
  }

  /** Looks into the store for the lag only: nothing is processed. */
  async #waitAndProbe(runner: BatchRunner<Tx>, ms: number): Promise<void> {
    await this.#signal.wait(ms);
    if (!this.#stopping) [this.#behind] = await this.#setup.store.readAll(runner.position(), 1);
  }

  #caughtUp(runner: BatchRunner<Tx>): void {
    this.#activity = 'following';
    this.#behind = undefined;
    this.#setup.log?.info('the reader follows', { reader: this.#setup.name, position: runner.position() });
    this.#reached.resolve();
  }

  #moved(position: Position): void {
    this.#waiters.reached(position);
    this.#setup.on?.moved?.(position);
  }

  #isOver(): boolean {
    const sameConnection = this.#link.isUp() && this.#link.epoch() === this.#epoch;
    return (
      this.#stopping || !sameConnection || this.#delivery === undefined || this.#delivery.lost() !== undefined
    );
  }

  async #pause(ms: number): Promise<void> {
    const until = performance.now() + ms;
    for (let left = ms; left > 0 && !this.#isOver(); left = until - performance.now())
      await this.#signal.wait(left);
  }

  #failed(error: unknown, event: RecordedEvent | undefined): void {
    const fields = event === undefined ? { reader: this.#setup.name } : this.#fieldsOf(event);
    this.#setup.log?.warn('an attempt of the reader failed', { ...fields, error });
    this.#setup.on?.error?.(error);
  }

  #fieldsOf({ id, type, stream, position }: RecordedEvent) {
    return { reader: this.#setup.name, eventId: id, eventType: type, stream, position };
  }

  #openRunner(): BatchRunner<Tx> {
    if (this.#runner === undefined)
      throw new Error(`expected reader ${this.#setup.name} to be started, got a new one`);
    return this.#runner;
  }
}
