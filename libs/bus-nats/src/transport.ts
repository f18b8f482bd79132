import { Server, type CustomTransportStrategy } from '@nestjs/microservices';
import {
  ack,
  type Batch,
  type Consumer,
  type Leadership,
  type Running,
  type Verdict,
} from '@signalbox/event-store';
import type { Event } from '@signalbox/contracts';
import { handle } from './handling.ts';
import { startReader } from './ordered-reader.ts';
import type { Reader, ReaderSetup } from './reader.ts';

export interface EventsTransportOptions<Tx> extends ReaderSetup<Tx> {
  /**
   * Runs the reader in one replica only: gets a function that starts it, calls that while this replica leads, and answers
   * the leadership. `fail` is told when the reader has stopped by itself. Without it the reader runs in every replica.
   */
  readonly run?: (
    start: (fail?: (error: unknown) => void) => Promise<Running>,
  ) => Leadership | Promise<Leadership>;
}

/**
 * Nest transport over the ordered reader. Each entry of the visible list of consumers becomes an event handler of the
 * transport, and the reader calls what is registered. Handlers answer with a verdict; one that answers nothing means ack.
 */
export class EventsTransport<Tx> extends Server implements CustomTransportStrategy {
  readonly #options: EventsTransportOptions<Tx>;
  #running: Running | Leadership | undefined;
  #reader: Reader | undefined;

  constructor(options: EventsTransportOptions<Tx>) {
    super();
    this.#options = options;
    for (const [type, entries] of byType(options.consumers)) {
      const handlers = entries.map((entry) => entry.handler);
      this.addHandler(type, (event: Event, batch: Batch<Tx>) => handle(handlers, event, batch), true);
    }
  }

  /** The reader while it runs in this replica. */
  reader(): Reader | undefined {
    return this.#reader;
  }

  /** Called by Nest. Does not wait for leadership, nor for the reader to catch up. */
  listen(callback: (error?: unknown) => void): void {
    this.#begin().then(() => callback(), callback);
  }

  async close(): Promise<void> {
    await this.#running?.stop();
    this.#running = undefined;
  }

  /** The transport has no events of its own. */
  on(): void {}

  /** There is no other server underneath. */
  unwrap<T>(): T {
    throw new Error('expected the use of `reader()`, got `unwrap()`: the transport has no server underneath');
  }

  async #begin(): Promise<void> {
    const { run } = this.#options;
    this.#running = run === undefined ? await this.#start() : await run((fail) => this.#start(fail));
  }

  async #start(fail?: (error: unknown) => void): Promise<Running> {
    const { on } = this.#options;
    const stopped = (error: Error): void => {
      on?.stopped?.(error);
      fail?.(error);
    };
    const reader = await startReader({
      ...this.#options,
      consumers: this.#registered(),
      on: { ...on, stopped },
    });
    this.#reader = reader;
    void reader.ended.then(() => {
      if (this.#reader === reader) this.#reader = undefined;
    });
    return reader;
  }

  /** What is registered with Nest, as the reader wants it. */
  #registered(): readonly Consumer<Tx>[] {
    return Array.from(this.getHandlers(), ([type, handler]) => ({
      type,
      handler: async (event, batch) => toVerdict(await handler(event, batch)),
    }));
  }
}

const byType = <Tx>(consumers: readonly Consumer<Tx>[]): ReadonlyMap<string, readonly Consumer<Tx>[]> =>
  Map.groupBy(consumers, (consumer) => consumer.type);

const kinds = new Set<unknown>(['ack', 'retry', 'park']);

const isVerdict = (value: unknown): value is Verdict =>
  typeof value === 'object' && value !== null && kinds.has(Reflect.get(value, 'kind'));

const toVerdict = (value: unknown): Verdict => (isVerdict(value) ? value : ack);
