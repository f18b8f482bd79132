import { positionStart, type Event, type Position, type RecordedEvent } from '@signalbox/contracts';
import {
  ReaderOvertaken,
  ReaderState,
  ack,
  type Consumer,
  type ParkedEvent,
  type Verdict,
} from '@signalbox/event-store';

/** What a transaction has written so far. */
export interface Rows {
  readonly rows: Event[];
  readonly parked: ParkedEvent[];
}

/** Reader state with transactions, in memory: rows, parked events and position appear together or not at all. */
export class RowsState extends ReaderState<Rows> {
  readonly name = 'rows';
  rows: readonly Event[] = [];
  asides: readonly ParkedEvent[] = [];
  /** Number of events in each commit. */
  readonly commits: number[] = [];
  /** Thrown by the next commits, before or after they take effect. */
  readonly failures: { readonly error: Error; readonly when: 'before' | 'after' }[] = [];
  #position: Position;

  constructor(position: Position = positionStart) {
    super();
    this.#position = position;
  }

  /** Another reader was active. */
  overtake(position: Position): void {
    this.#position = position;
  }

  async position(): Promise<Position> {
    return this.#position;
  }

  async commit(expected: Position, work: (tx: Rows) => Promise<Position>): Promise<void> {
    const tx: Rows = { rows: [], parked: [] };
    const next = await work(tx);
    if (this.#position !== expected) throw new ReaderOvertaken(this.name, expected);
    const failure = this.failures.shift();
    if (failure?.when === 'before') throw failure.error;
    this.rows = [...this.rows, ...tx.rows];
    this.asides = [...this.asides, ...tx.parked];
    this.commits.push(tx.rows.length);
    this.#position = next;
    if (failure !== undefined) throw failure.error;
  }

  async parkedStreams(): Promise<ReadonlySet<string>> {
    return new Set(this.asides.map(({ event }) => event.stream));
  }

  async park(tx: Rows, event: RecordedEvent, reason: string): Promise<void> {
    tx.parked.push({ event, reason, parkedAt: new Date().toISOString() });
  }

  async parked(limit: number): Promise<readonly ParkedEvent[]> {
    return this.asides.slice(0, limit);
  }

  async redrive(
    stream: string,
    handle: (event: RecordedEvent, tx: Rows) => Promise<Verdict>,
  ): Promise<{ readonly handled: number; readonly left: number }> {
    const waiting = this.asides.filter(({ event }) => event.stream === stream);
    let handled = 0;
    for (const { event } of waiting) {
      const tx: Rows = { rows: [], parked: [] };
      if ((await handle(event, tx)).kind !== 'ack') break;
      this.rows = [...this.rows, ...tx.rows];
      this.asides = this.asides.filter((each) => each.event !== event);
      handled += 1;
    }
    return { handled, left: waiting.length - handled };
  }
}

/** Writes each event as a row. */
export const recorder: Consumer<Rows> = {
  type: '*',
  handler: (event, { tx }) => {
    tx.rows.push(event);
    return ack;
  },
};

export const positionsOf = (rows: readonly { readonly position: Position }[]): readonly Position[] =>
  rows.map(({ position }) => position);
