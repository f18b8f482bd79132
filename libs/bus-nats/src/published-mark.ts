import type { Position } from '@signalbox/contracts';
import type { EventStore } from '@signalbox/event-store';
import { setTimeout as delay } from 'node:timers/promises';

/** Pause between two writes of the mark in milliseconds. */
const pauseMs = 100;

/**
 * Writes the relay's acknowledged position into the store: one write at a time, ten a second, the newest position only.
 * A write that fails is repeated with the next move. The mark may lag behind; it never runs ahead.
 */
export class PublishedMark {
  readonly #store: EventStore;
  readonly #onError: (error: unknown) => void;
  readonly #closed = new AbortController();
  #wanted: Position | undefined;
  #written: Position | undefined;
  #writing: Promise<void> | undefined;

  constructor(store: EventStore, onError: (error: unknown) => void) {
    this.#store = store;
    this.#onError = onError;
  }

  move(position: Position): void {
    this.#wanted = position;
    if (position !== this.#written) this.#writing ??= this.#write();
  }

  /** Writes what is still to be written. */
  async close(): Promise<void> {
    this.#closed.abort();
    await this.#writing;
    if (this.#wanted !== this.#written) await this.#writeOnce();
  }

  async #write(): Promise<void> {
    while (this.#wanted !== this.#written && !this.#closed.signal.aborted) {
      await this.#writeOnce();
      await delay(pauseMs, undefined, { signal: this.#closed.signal }).catch(() => undefined);
    }
    this.#writing = undefined;
  }

  async #writeOnce(): Promise<void> {
    const position = this.#wanted;
    if (position === undefined) return;
    try {
      await this.#store.setPublished(position);
      this.#written = position;
    } catch (error) {
      this.#onError(error);
    }
  }
}
