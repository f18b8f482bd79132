import { UndecodableEvent, tryDecodeEvent, type Position, type RecordedEvent } from '@signalbox/contracts';
import { ReaderOvertaken, type ReaderState, type Verdict } from '@signalbox/event-store';
import { handle, OpenBatch, type Routes } from './handling.ts';

/** How one attempt to commit a batch ended. Everything but `committed` was rolled back. */
export type Outcome =
  | {
      readonly kind: 'committed';
      readonly parked: readonly Parked[];
      /** Runs what the handlers want to be done after the commit; what throws there goes to `onError`. */
      readonly runAfter: (onError: (error: unknown) => void) => void;
    }
  /** The handler of event `at` answered so. */
  | { readonly kind: 'retry'; readonly at: number; readonly afterMs: number }
  | { readonly kind: 'park'; readonly at: number; readonly reason: string }
  /** A handler or a hook threw, for a reason that lies with the events. */
  | { readonly kind: 'thrown'; readonly error: unknown }
  /** Transaction, commit or connection failed; the commit may have reached the database. */
  | { readonly kind: 'broken'; readonly error: unknown };

export interface Parked {
  readonly event: RecordedEvent;
  readonly reason: string;
}

type Interruption = Exclude<Outcome, { kind: 'committed' | 'broken' }>;

export interface Attempt<Tx> {
  readonly state: ReaderState<Tx>;
  readonly routes: Routes<Tx>;
  readonly expected: Position;
  readonly events: readonly RecordedEvent[];
  /** Streams that have parked events. */
  readonly parkedStreams: ReadonlySet<string>;
  /** Events that are to be parked unseen, and why. */
  readonly condemned: ReadonlyMap<string, string>;
  /** Tells trouble of the surroundings from trouble with the event. */
  readonly isTransient: (error: unknown) => boolean;
}

/** Rolls the transaction back; never leaves this file. */
class Interrupted extends Error {
  readonly interruption: Interruption;
  constructor(interruption: Interruption) {
    super(`expected a batch to commit, got ${interruption.kind}`);
    this.interruption = interruption;
  }
}

/**
 * Runs the handlers of a batch and commits their rows with the position of its last event.
 *
 * @throws ReaderOvertaken another reader has moved the position
 */
export const attemptBatch = async <Tx>(attempt: Attempt<Tx>): Promise<Outcome> => {
  const parked: Parked[] = [];
  let batch: OpenBatch<Tx> | undefined;
  let interruption: Interruption | undefined;
  try {
    await attempt.state.commit(attempt.expected, async (tx) => {
      batch = new OpenBatch(tx);
      try {
        return await runBatch(attempt, batch, parked);
      } catch (error) {
        if (error instanceof Interrupted) interruption = error.interruption;
        throw error;
      }
    });
  } catch (error) {
    if (error instanceof ReaderOvertaken) throw error;
    if (interruption === undefined) return { kind: 'broken', error };
    if (interruption.kind !== 'thrown' || !attempt.isTransient(interruption.error)) return interruption;
    return { kind: 'broken', error: interruption.error };
  }
  return { kind: 'committed', parked, runAfter: (onError) => batch?.runAfter(onError) };
};

const runBatch = async <Tx>(
  attempt: Attempt<Tx>,
  batch: OpenBatch<Tx>,
  parked: Parked[],
): Promise<Position> => {
  for (const [at, event] of attempt.events.entries()) {
    const handlers = attempt.routes(event.type);
    if (handlers === undefined) continue;
    const decoded = reasonToPark(attempt, event, parked) ?? tryDecodeEvent(event);
    if (typeof decoded === 'string' || decoded instanceof UndecodableEvent) {
      const reason = typeof decoded === 'string' ? decoded : decoded.message;
      await attempt.state.park(batch.tx, event, reason);
      parked.push({ event, reason });
      continue;
    }
    const verdict = await guarded(() => handle(handlers, decoded, batch));
    if (verdict.kind !== 'ack') throw new Interrupted({ ...verdict, at });
  }
  await guarded(() => batch.runBefore());
  return attempt.events.at(-1)?.position ?? attempt.expected;
};

const reasonToPark = <Tx>(
  { parkedStreams, condemned }: Attempt<Tx>,
  event: RecordedEvent,
  parked: readonly Parked[],
): string | undefined => {
  const isBehind =
    parkedStreams.has(event.stream) || parked.some((each) => each.event.stream === event.stream);
  return isBehind ? `follows a parked event of ${event.stream}` : condemned.get(event.id);
};

/** Marks what handlers and hooks throw, so that it is not taken for a failure of the transaction. */
const guarded = async <T extends Verdict | void>(work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (error) {
    throw new Interrupted({ kind: 'thrown', error });
  }
};
