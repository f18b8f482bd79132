import { subjects, type Position, type RecordedEvent } from '@signalbox/contracts';
import type { DecodedMessage } from '@signalbox/bus-nats';
import { type EventStore } from '@signalbox/event-store';
import { eventRow } from './event-row.ts';
import type { LiveBus } from './live-bus.ts';
import type { SseStream } from './sse.ts';
import { Wake } from './wake.ts';

export interface EventFollowerOptions {
  readonly store: EventStore;
  readonly bus: LiveBus;
  /** Last position that the viewer has seen; undefined begins now. */
  readonly after: Position | undefined;
}

const keepAliveMs = 15_000;
/** Messages that wait for a slow reader; beyond them the log is read instead. */
const mostQueued = 1024;
const pageSize = 500;

/**
 * Shows all events in order to one viewer. Each message names the position before it, so a lost one is noticed and read
 * from the log, up to what is published and no further.
 */
export class EventFollower {
  readonly #options: EventFollowerOptions;
  readonly #stream: SseStream;
  readonly #wake = new Wake();
  readonly #queue: DecodedMessage[] = [];
  #position: Position;
  #mustRead = true;

  constructor(options: EventFollowerOptions, stream: SseStream) {
    this.#options = options;
    this.#stream = stream;
    this.#position = options.after ?? '';
  }

  /** @throws StreamClosed when the viewer goes; whatever the store throws */
  async run(): Promise<void> {
    const { bus, store } = this.#options;
    const stop = bus.listen(
      [{ subject: subjects.allEvents, onEvent: (message) => this.#take(message) }],
      () => this.#gap(),
    );
    this.#stream.signal.addEventListener('abort', this.#wake.raise);
    try {
      await bus.ready();
      if (this.#position === '') this.#position = await store.published();
      await this.#loop();
    } finally {
      stop();
      this.#stream.signal.removeEventListener('abort', this.#wake.raise);
    }
  }

  async #loop(): Promise<void> {
    for (;;) {
      if (this.#mustRead) {
        this.#mustRead = false;
        await this.#readLog(await this.#options.store.published());
      }
      for (let message = this.#queue.shift(); message !== undefined; message = this.#queue.shift()) {
        if (message.previous > this.#position) await this.#readLog(message.previous);
        await this.#show(message.event);
      }
      if (this.#mustRead || (await this.#wake.wait(keepAliveMs))) continue;
      await this.#stream.keepAlive();
      this.#mustRead = true;
    }
  }

  #take(message: DecodedMessage): void {
    if (this.#queue.length >= mostQueued) this.#gap();
    else this.#queue.push(message);
    this.#wake.raise();
  }

  #gap(): void {
    this.#queue.length = 0;
    this.#mustRead = true;
    this.#wake.raise();
  }

  async #readLog(upTo: Position): Promise<void> {
    while (this.#position < upTo) {
      const events = await this.#options.store.readAll(this.#position, pageSize);
      for (const event of events) {
        if (event.position <= upTo) await this.#show(event);
      }
      if (events.length < pageSize || (events.at(-1)?.position ?? upTo) > upTo) return;
    }
  }

  async #show(event: RecordedEvent): Promise<void> {
    if (event.position <= this.#position) return;
    this.#position = event.position;
    await this.#stream.send({ event: 'event', id: event.position, data: eventRow(event) });
  }
}
