import type { Position, RecordedEvent } from '@signalbox/contracts';
import { ReaderOvertaken, ReaderState, type ParkedEvent, type Verdict } from '@signalbox/event-store';

/**
 * Reader state of a replica that folds events into its memory and begins anew with every start. Nothing is kept: a parked
 * event waits in memory, and since nothing can be rolled back, each event is a batch of its own.
 */
export class MemoryReaderState extends ReaderState<undefined> {
  readonly name: string;
  readonly #now: () => number;
  #position: Position;
  #parked: readonly ParkedEvent[] = [];

  /** @param position position up to which the memory is filled already */
  constructor(name: string, position: Position, now: () => number = Date.now) {
    super();
    this.name = name;
    this.#position = position;
    this.#now = now;
  }

  async position(): Promise<Position> {
    return this.#position;
  }

  async commit(expected: Position, work: (tx: undefined) => Promise<Position>): Promise<void> {
    if (expected !== this.#position) throw new ReaderOvertaken(this.name, expected);
    this.#position = await work(undefined);
  }

  async parkedStreams(): Promise<ReadonlySet<string>> {
    return new Set(this.#parked.map(({ event }) => event.stream));
  }

  async park(_tx: undefined, event: RecordedEvent, reason: string): Promise<void> {
    const others = this.#parked.filter((each) => each.event.position !== event.position);
    const parked = { event, reason, parkedAt: new Date(this.#now()).toISOString() };
    this.#parked = [...others, parked].sort((a, b) => (a.event.position < b.event.position ? -1 : 1));
  }

  async parked(limit: number): Promise<readonly ParkedEvent[]> {
    return this.#parked.slice(0, limit);
  }

  async redrive(
    stream: string,
    handle: (event: RecordedEvent, tx: undefined) => Promise<Verdict>,
  ): Promise<{ readonly handled: number; readonly left: number }> {
    const waiting = this.#parked.filter(({ event }) => event.stream === stream);
    let handled = 0;
    for (const { event } of waiting) {
      const verdict = await handle(event, undefined);
      if (verdict.kind === 'park') await this.park(undefined, event, verdict.reason);
      if (verdict.kind !== 'ack') break;
      this.#parked = this.#parked.filter((each) => each.event.position !== event.position);
      handled += 1;
    }
    return { handled, left: waiting.length - handled };
  }
}
