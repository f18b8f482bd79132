import type { Event } from '@signalbox/contracts';
import { ack, type Batch, type Consumer, type Handler, type Verdict } from '@signalbox/event-store';

/** The handlers of one type, in the order of the list; undefined when nobody wants it. */
export type Routes<Tx> = (type: string) => readonly Handler<Tx>[] | undefined;

/** Routes of a list of consumers; `*` stands for every type. */
export const routesOf = <Tx>(consumers: readonly Consumer<Tx>[]): Routes<Tx> => {
  const known = new Map<string, readonly Handler<Tx>[] | undefined>();
  return (type) => {
    if (known.has(type)) return known.get(type);
    const matching = consumers.filter((consumer) => consumer.type === '*' || consumer.type === type);
    const handlers = matching.length === 0 ? undefined : matching.map((consumer) => consumer.handler);
    known.set(type, handlers);
    return handlers;
  };
};

/** Asks the handlers one after the other; the first that does not answer ack decides. */
export const handle = async <Tx>(
  handlers: readonly Handler<Tx>[],
  event: Event,
  batch: Batch<Tx>,
): Promise<Verdict> => {
  for (const handler of handlers) {
    const answer = handler(event, batch);
    const verdict = answer instanceof Promise ? await answer : answer;
    if (verdict.kind !== 'ack') return verdict;
  }
  return ack;
};

/** A batch while it is open: its transaction and the hooks that handlers have asked for. */
export class OpenBatch<Tx> implements Batch<Tx> {
  readonly tx: Tx;
  readonly #before = new Map<string, () => Promise<void>>();
  readonly #after = new Map<string, () => void>();

  constructor(tx: Tx) {
    this.tx = tx;
  }

  beforeCommit(key: string, work: () => Promise<void>): void {
    if (!this.#before.has(key)) this.#before.set(key, work);
  }

  afterCommit(key: string, work: () => void): void {
    if (!this.#after.has(key)) this.#after.set(key, work);
  }

  /** Runs the hooks in the order in which they were asked for, also those that a hook adds. */
  async runBefore(): Promise<void> {
    for (const work of this.#before.values()) await work();
  }

  /** Runs the hooks; what they throw is told and stops nothing, because the batch has committed. */
  runAfter(onError: (error: unknown) => void): void {
    for (const work of this.#after.values()) {
      try {
        work();
      } catch (error) {
        onError(error);
      }
    }
  }
}
