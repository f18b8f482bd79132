import { type Position, positionStart } from '@signalbox/contracts';

const pollMs = 50;

interface Waiter {
  readonly after: Position;
  readonly resolve: (reached: boolean) => void;
}

/**
 * Knows up to which position the tables show the log. The replica that projects tells it at once; in any other the
 * position is read while somebody waits, once for all who do.
 */
export class PositionWatch {
  readonly #read: () => Promise<Position>;
  readonly #waiting = new Set<Waiter>();
  #position: Position = positionStart;
  #polling = false;
  #stopped = false;

  constructor(read: () => Promise<Position>) {
    this.#read = read;
  }

  /** The tables show everything up to here; a smaller position than before changes nothing. */
  advance(position: Position): void {
    if (position <= this.#position) return;
    this.#position = position;
    for (const waiter of this.#waiting) if (waiter.after <= position) waiter.resolve(true);
  }

  /** True as soon as the tables show the position; false when they do not in time, or at the end of the service. */
  async waitFor(after: Position, timeoutMs: number): Promise<boolean> {
    if (after <= this.#position) return true;
    if (this.#stopped) return false;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const waiter = { after, resolve };
    const timer = setTimeout(() => resolve(false), timeoutMs);
    this.#waiting.add(waiter);
    void this.#poll();
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(waiter);
    }
  }

  stop(): void {
    this.#stopped = true;
    for (const waiter of this.#waiting) waiter.resolve(false);
  }

  async #poll(): Promise<void> {
    if (this.#polling) return;
    this.#polling = true;
    while (this.#waiting.size > 0) {
      try {
        this.advance(await this.#read());
      } catch {
        // The database is away: whoever waits is told in time, and the next look may succeed.
      }
      if (this.#waiting.size > 0) await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
    this.#polling = false;
  }
}
