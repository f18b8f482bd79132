import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { subjects, type Position, type RecordedEvent } from '@signalbox/contracts';
import type { EventStore, Running } from '@signalbox/event-store';
import { linkOf, type Link } from './connection.ts';
import { eventsStreamInfo, type EventsStreamOptions } from './events-stream.ts';
import { Pipeline } from './pipeline.ts';
import { PublishedMark } from './published-mark.ts';
import { findOrigin, type HaltReason, type Origin } from './relay-origin.ts';
import { backOffMs, Signal } from './signal.ts';

/**
 * ```
 * waiting ──connection and lease──▶ checking ──stream and store agree──▶ publishing
 *    ▲                                 │  ▲                                  │
 *    │                 they contradict ▼  │ once a second                    │ failed or unexpected answer, wiped
 *    │                              halted┘                                  │ stream, lost connection or lease
 *    └───────────────────────────────────────────────────────────────────────┘
 * ```
 */
export type RelayState = 'waiting' | 'checking' | 'publishing' | 'halted' | 'stopped';

export interface RelayStatus {
  readonly state: RelayState;
  /** Set while halted: nothing is published until somebody removes the contradiction. */
  readonly halted: { readonly reason: HaltReason; readonly detail: string } | undefined;
  /** Position published last with acknowledgement, as far as this relay knows. */
  readonly position: Position | undefined;
  /** Events acknowledged since the start. */
  readonly published: number;
  readonly inFlight: number;
  /** How often the stream's end was read anew: once at the start, then after each failure. */
  readonly checks: number;
}

export interface RelayOptions extends EventsStreamOptions {
  /** Most messages without an answer; default 500. */
  readonly maxInFlight?: number;
  /** Events read from the store at once; default 250. */
  readonly batchSize?: number;
  /** Poll of the store in milliseconds when nobody wakes the relay; default 250. */
  readonly pollMs?: number;
  /** How often an idle relay looks at the stream, in milliseconds; default 1000. */
  readonly idleCheckMs?: number;
  /** Messages without an answer for this long in milliseconds count as lost; default 5000. */
  readonly answerTimeoutMs?: number;
  /** Current instant in milliseconds since 1970; default the system's clock. */
  readonly now?: () => number;
}

export interface RelaySetup {
  readonly nc: NatsConnection;
  readonly store: EventStore;
  /** Asked before each batch and after each reconnect; without it the relay believes it leads. */
  readonly lease?: { stillHeld(): boolean };
  readonly options?: RelayOptions;
  readonly on?: {
    /** Called at every change of state. */
    readonly status?: (status: RelayStatus) => void;
    /** Called for every failure that the relay recovers from by itself. */
    readonly error?: (error: unknown) => void;
    /** Called for each event that was published, with the time to its acknowledgement. Never throws. */
    readonly published?: (event: RecordedEvent, durationMs: number) => void;
  };
}

export interface Relay extends Running {
  status(): RelayStatus;
}

type FromOrigin = Extract<Origin, { kind: 'from' }>;

/**
 * Publishes every event of the store to JetStream in order of position, each at least once and, within one life of the
 * stream, exactly once, however many relays run. Run it while a lease is held. It never gives up: what fails is checked
 * and tried again; only a store that contradicts the stream halts it.
 */
export const startRelay = (setup: RelaySetup): Relay => new RunningRelay(setup);

class RunningRelay implements Relay {
  readonly #setup: RelaySetup;
  readonly #options: RelayOptions;
  readonly #link: Link;
  readonly #work = new Signal();
  readonly #room = new Signal();
  readonly #mark: PublishedMark;
  readonly #done: Promise<void>;
  #status: RelayStatus;
  #stopping = false;
  #manager: JetStreamManager | undefined;
  /** Position up to which the stream has answered that it holds or knows all, in its life of that instant. */
  #known:
    { readonly created: string; readonly position: Position; readonly isDuplicate: boolean } | undefined;

  constructor(setup: RelaySetup) {
    this.#setup = setup;
    this.#options = setup.options ?? {};
    this.#link = linkOf(setup.nc);
    this.#mark = new PublishedMark(setup.store, (error) => this.#report(error));
    this.#status = {
      state: 'waiting',
      halted: undefined,
      position: undefined,
      published: 0,
      inFlight: 0,
      checks: 0,
    };
    this.#done = this.#run();
  }

  status(): RelayStatus {
    return this.#status;
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#wakeAll();
    await this.#done;
  }

  async #run(): Promise<void> {
    const unlisten = this.#link.onChange(() => this.#wakeAll());
    const wakes = this.#setup.nc.subscribe(subjects.relayWake, { callback: () => this.#work.notify() });
    for (let failures = 0; !this.#stopping;) {
      try {
        await this.#round();
        failures = 0;
      } catch (error) {
        this.#report(error);
        await this.#work.wait(backOffMs(failures, 50, 2_000));
        failures += 1;
      }
    }
    unlisten();
    if (!this.#setup.nc.isClosed()) wakes.unsubscribe();
    await this.#mark.close();
    this.#set({ state: 'stopped' });
  }

  async #round(): Promise<void> {
    if (!this.#mayWork()) {
      this.#set({ state: 'waiting' });
      await this.#work.wait(this.#options.pollMs ?? 250);
      return;
    }
    const epoch = this.#link.epoch();
    if (this.#status.state !== 'halted') this.#set({ state: 'checking' });
    this.#manager ??= await jetstreamManager(this.#setup.nc, { checkAPI: false });
    const { now = Date.now } = this.#options;
    const search = findOrigin(this.#manager, this.#setup.store, { ...this.#options, now });
    const origin = await this.#link.whileUp(search);
    this.#status = { ...this.#status, checks: this.#status.checks + 1 };
    if (origin.kind === 'halted') {
      const { reason, detail } = origin;
      this.#set({ state: 'halted', halted: { reason, detail } });
      await this.#work.wait(this.#options.idleCheckMs ?? 1_000);
      return;
    }
    await this.#publish(origin, epoch);
  }

  /** Publishes from the origin on until something makes it doubtful. */
  async #publish(origin: FromOrigin, epoch: number): Promise<void> {
    const { nc, store } = this.#setup;
    const { batchSize = 250 } = this.#options;
    let cursor = this.#beginAfter(origin);
    const { lastSequence } = origin;
    const onProgress = (): void => this.#progressed(pipeline);
    const pipeline = new Pipeline({
      connection: nc,
      storeId: store.storeId,
      lastSequence,
      onProgress,
      onPublished: this.#setup.on?.published,
    });
    this.#set({ state: 'publishing', halted: undefined, position: cursor });
    this.#mark.move(cursor);
    const sound = (): boolean => this.#isSound(pipeline, epoch);
    try {
      let checkedAt = performance.now();
      while (sound()) {
        const events = await store.readAll(cursor, batchSize);
        cursor = await this.#send(pipeline, events, cursor, sound);
        if (events.length < batchSize) await this.#work.wait(this.#options.pollMs ?? 250);
        const idleForMs = pipeline.inFlight() > 0 || events.length > 0 ? 0 : performance.now() - checkedAt;
        if (idleForMs === 0) checkedAt = performance.now();
        if (idleForMs < (this.#options.idleCheckMs ?? 1_000)) continue;
        checkedAt = performance.now();
        if (sound() && !(await this.#isSameStream(origin, pipeline))) return;
      }
      if (this.#stopping) await this.#drain(pipeline, epoch);
      this.#explain(pipeline, origin);
    } finally {
      pipeline.close();
    }
  }

  /**
   * Where to begin: behind the stream's end, and behind an event that the stream refused because it knows its id. What was
   * acknowledged counts only where the stream's end is not known by a message: a server may lose what it acknowledged.
   */
  #beginAfter(origin: FromOrigin): Position {
    const known = this.#known;
    if (known === undefined || known.created !== origin.created) return origin.after;
    if (origin.isFromMessage && !known.isDuplicate) return origin.after;
    return known.position > origin.after ? known.position : origin.after;
  }

  /** Sends events as there is room for them; answers the position sent last. */
  async #send(
    pipeline: Pipeline,
    events: readonly RecordedEvent[],
    after: Position,
    sound: () => boolean,
  ): Promise<Position> {
    const most = this.#options.maxInFlight ?? 500;
    let previous = after;
    for (const event of events) {
      while (pipeline.inFlight() >= most && sound()) await this.#room.wait(100);
      if (!sound()) return previous;
      pipeline.publish(event, previous);
      previous = event.position;
    }
    return previous;
  }

  async #drain(pipeline: Pipeline, epoch: number): Promise<void> {
    const until = performance.now() + 1_000;
    const open = (): boolean => pipeline.inFlight() > 0 && pipeline.failure() === undefined;
    while (open() && this.#link.epoch() === epoch && performance.now() < until) await this.#room.wait(50);
  }

  #progressed(pipeline: Pipeline): void {
    const position = pipeline.acknowledged() ?? this.#status.position;
    const count = pipeline.takeAcknowledgedCount();
    const { published } = this.#status;
    this.#status = {
      ...this.#status,
      position,
      published: published + count,
      inFlight: pipeline.inFlight(),
    };
    if (position !== undefined) this.#mark.move(position);
    this.#room.notify();
    if (pipeline.failure() !== undefined) this.#work.notify();
  }

  #explain(pipeline: Pipeline, origin: FromOrigin): void {
    const failure = pipeline.failure();
    const position = failure?.known ?? pipeline.acknowledged();
    const isDuplicate = failure?.known !== undefined;
    if (position !== undefined) this.#known = { created: origin.created, position, isDuplicate };
    if (failure !== undefined) this.#report(new Error(`expected an acknowledgement, got: ${failure.reason}`));
    else if (this.#isStalled(pipeline))
      this.#report(new Error('expected an acknowledgement in time, got none'));
  }

  async #isSameStream(origin: FromOrigin, pipeline: Pipeline): Promise<boolean> {
    if (this.#manager === undefined) return false;
    const info = await this.#link.whileUp(eventsStreamInfo(this.#manager));
    return info?.created === origin.created && info.state.last_seq === pipeline.lastSequence();
  }

  #isSound(pipeline: Pipeline, epoch: number): boolean {
    const sameConnection = this.#link.epoch() === epoch;
    return (
      this.#mayWork() && sameConnection && pipeline.failure() === undefined && !this.#isStalled(pipeline)
    );
  }

  #isStalled(pipeline: Pipeline): boolean {
    return pipeline.stalledMs() > (this.#options.answerTimeoutMs ?? 5_000);
  }

  #mayWork(): boolean {
    return !this.#stopping && this.#link.isUp() && (this.#setup.lease?.stillHeld() ?? true);
  }

  #wakeAll(): void {
    this.#work.notify();
    this.#room.notify();
  }

  #set(change: Partial<RelayStatus>): void {
    const before = this.#status;
    this.#status = { ...before, ...change };
    if (before.state !== this.#status.state) this.#setup.on?.status?.(this.#status);
  }

  #report(error: unknown): void {
    this.#setup.on?.error?.(error);
  }
}
