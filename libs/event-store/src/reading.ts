import type { Event, Position, RecordedEvent } from '@signalbox/contracts';

/** What a handler says of an event. It does not throw for expected trouble. */
export type Verdict =
  | { readonly kind: 'ack' }
  /** Holds the whole reader back for this long; nothing overtakes the event. */
  | { readonly kind: 'retry'; readonly afterMs: number }
  /** Puts the event aside; later events of its aggregate follow it there, others go on. */
  | { readonly kind: 'park'; readonly reason: string };

export const ack: Verdict = { kind: 'ack' };
export const retry = (afterMs: number): Verdict => ({ kind: 'retry', afterMs });
export const park = (reason: string): Verdict => ({ kind: 'park', reason });

/** One batch of a reader: the transaction in which its rows and its position commit together. */
export interface Batch<Tx> {
  readonly tx: Tx;
  /** Runs once at the end of the batch, before the position is written: for rows that are inserted in bulk. */
  beforeCommit(key: string, work: () => Promise<void>): void;
  /** Runs once after the batch has committed: for signals; never for what must not be lost. */
  afterCommit(key: string, work: () => void): void;
}

/** Handler of one event type: a plain function. */
export type Handler<Tx> = (event: Event, batch: Batch<Tx>) => Verdict | Promise<Verdict>;

/**
 * A handler that gathers the events of a batch and hands them over in one go, before the position is written: for tables
 * that are loaded and written once per batch, whatever its size. Register the same handler for every type it gathers.
 *
 * @param key names the work within a batch
 */
export const gather = <Tx>(
  key: string,
  flush: (events: readonly Event[], batch: Batch<Tx>) => Promise<void>,
): Handler<Tx> => {
  const gathered = new WeakMap<Batch<Tx>, Event[]>();
  return (event, batch) => {
    const events = gathered.get(batch);
    if (events !== undefined) {
      events.push(event);
      return ack;
    }
    const first = [event];
    gathered.set(batch, first);
    batch.beforeCommit(key, () => flush(first, batch));
    return ack;
  };
};

/** An entry of a service's visible list of what it consumes (`consumers.ts`). `*` is every type. */
export interface Consumer<Tx> {
  readonly type: string;
  readonly handler: Handler<Tx>;
}

/** Thrown when another active reader of the same name has moved the position. */
export class ReaderOvertaken extends Error {
  constructor(name: string, expected: Position) {
    super(`expected reader ${name} at position ${expected}, got another: a second reader is active`);
    this.name = 'ReaderOvertaken';
  }
}

export interface ParkedEvent {
  readonly event: RecordedEvent;
  readonly reason: string;
  readonly parkedAt: string;
}

/** Where a reader keeps its position and its parked events: in the schema of the service that owns its rows. */
export abstract class ReaderState<Tx> {
  abstract readonly name: string;

  /** Position up to which everything is processed; `positionStart` for a new reader. */
  abstract position(): Promise<Position>;

  /**
   * Runs `work` in a transaction and commits its rows together with the move of the position.
   *
   * @throws ReaderOvertaken the position was not `expected`; everything is rolled back
   */
  abstract commit(expected: Position, work: (tx: Tx) => Promise<Position>): Promise<void>;

  /** Streams with parked events; read at start and kept by the reader. */
  abstract parkedStreams(): Promise<ReadonlySet<string>>;

  /** Puts an event aside within the batch's transaction. */
  abstract park(tx: Tx, event: RecordedEvent, reason: string): Promise<void>;

  /** Parked events in order of position. */
  abstract parked(limit: number): Promise<readonly ParkedEvent[]>;

  /**
   * Hands the parked events of one stream, in order, to `handle` in one transaction; each one that is handled leaves the
   * table. Stops at the first that is parked again. Answers how many were handled and how many stay.
   */
  abstract redrive(
    stream: string,
    handle: (event: RecordedEvent, tx: Tx) => Promise<Verdict>,
  ): Promise<{ readonly handled: number; readonly left: number }>;
}
