import type { StreamInfo } from '@nats-io/jetstream';
import type { Position, RecordedEvent } from '@signalbox/contracts';
import type { EventStore } from '@signalbox/event-store';
import type { BatchRunner } from './batch-runner.ts';
import type { Delivery } from './delivery.ts';
import type { Intake } from './intake.ts';
import { isSame } from './relay-origin.ts';
import type { Signal } from './signal.ts';

/** Thrown when a reader or the bus knows events that the store does not hold: it was restored from an older backup. */
export class StoreRestored extends Error {
  constructor(name: string, position: Position, head: Position) {
    super(
      `expected an event store that holds position ${position} for reader ${name}, got one that ends at ${head}`,
    );
    this.name = 'StoreRestored';
  }
}

export interface SessionOptions<Tx> {
  readonly name: string;
  readonly store: EventStore;
  /** The stream as it is now; undefined when there is none. */
  readonly streamInfo: () => Promise<StreamInfo | undefined>;
  readonly delivery: Delivery;
  readonly intake: Intake;
  readonly runner: BatchRunner<Tx>;
  /** The stream as it was before the delivery began. */
  readonly stream: StreamInfo;
  readonly batchSize: number;
  readonly idleCheckMs: number;
  readonly signal: Signal;
  readonly isOver: () => boolean;
  /** Told when events are to be read from the store. */
  readonly onGap: () => void;
  readonly onCaughtUp: () => void;
  /** Told of the oldest event that the store holds behind the reader; undefined when there is none. */
  readonly onProbe: (event: RecordedEvent | undefined) => void;
}

/** One life of a reader's delivery: closes the gap to the published head, then follows, until `isOver`. */
export class ReaderSession<Tx> {
  readonly #options: SessionOptions<Tx>;
  /** Position up to which the store was read in this session; it may hold no event just there. */
  #bridged: Position;
  #behind = false;
  #isCompared = false;
  #checkedAt = performance.now();

  constructor(options: SessionOptions<Tx>) {
    this.#options = options;
    this.#bridged = options.runner.position();
  }

  /**
   * @throws StoreRestored the reader or the bus is ahead of the store
   * @throws ReaderOvertaken another reader of the name is active
   */
  async follow(): Promise<void> {
    const { store, delivery, intake, runner, signal, idleCheckMs, isOver, name } = this.#options;
    const head = await store.head();
    if (head < runner.position()) throw new StoreRestored(name, runner.position(), head);
    const ownBefore = intake.counts().own;
    let isCaughtUp = false;
    while (!isOver()) {
      const arrival = intake.next(delivery, this.#reached(), this.#options.batchSize);
      if (arrival.kind === 'events') {
        await this.#compare(arrival.events);
        await runner.run(arrival.events);
      } else if (arrival.kind === 'gap') await this.#readStore(arrival.until);
      else if (!isCaughtUp && (delivery.hasDelivered() || !delivery.startsWithMessage())) {
        if (intake.counts().own === ownBefore) await this.#readStore(await store.published());
        isCaughtUp = !isOver();
        if (isCaughtUp) this.#options.onCaughtUp();
      } else {
        await signal.wait(idleCheckMs);
        await this.#checkWhenIdle();
      }
      if (arrival.kind !== 'nothing') this.#checkedAt = performance.now();
    }
  }

  /** The first that arrives in a session has to be in the store: else the bus tells of a past that was undone. */
  async #compare(events: readonly RecordedEvent[]): Promise<void> {
    const { store, name } = this.#options;
    const last = events.at(-1);
    if (this.#isCompared || last === undefined) return;
    const [stored] = await store.read(last.stream, last.streamVersion, 1);
    if (!isSame(stored, last)) throw new StoreRestored(name, last.position, await store.head());
    this.#isCompared = true;
  }

  #reached(): Position {
    const position = this.#options.runner.position();
    return this.#bridged > position ? this.#bridged : position;
  }

  /** Reads the events up to `until`, the only ones known to be published. */
  async #readStore(until: Position): Promise<void> {
    const { store, runner, batchSize, isOver, name } = this.#options;
    if (until > runner.position()) this.#options.onGap();
    while (runner.position() < until && !isOver()) {
      const events = await store.readAll(runner.position(), batchSize);
      const published = events.filter((event) => event.position <= until);
      if (published.length === 0) {
        const head = await store.head();
        if (head < until) throw new StoreRestored(name, until, head);
        break;
      }
      await runner.run(published);
    }
    if (!isOver()) this.#bridged = until;
  }

  /** Nothing has come for a while: is it the same stream still, and does nothing lie behind? */
  async #checkWhenIdle(): Promise<void> {
    const { store, streamInfo, delivery, runner, idleCheckMs, isOver, stream, onProbe } = this.#options;
    if (performance.now() - this.#checkedAt < idleCheckMs || isOver() || delivery.peek() !== undefined)
      return;
    this.#checkedAt = performance.now();
    await runner.refreshParked();
    const info = await streamInfo();
    if (info?.created !== stream.created)
      return delivery.lose('expected the stream of the start, got another or none');
    const isBehind = info.state.messages > 0 && info.state.last_seq > delivery.streamSequence();
    if (isBehind && this.#behind) return delivery.lose('expected all messages of the stream, got fewer');
    this.#behind = isBehind;
    if (info.state.messages === 0) await this.#readStore(await store.published());
    const [oldest] = await store.readAll(runner.position(), 1);
    onProbe(oldest);
  }
}
