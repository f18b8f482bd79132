import type { Position } from '@signalbox/contracts';

interface Waiter {
  readonly position: Position;
  readonly settle: (reached: boolean) => void;
}

/** Those who wait until a reader has reached a position. */
export class Waiters {
  readonly #waiting = new Set<Waiter>();

  /** True once `position` is reached, false after `timeoutMs` or when all are dismissed. */
  wait(position: Position, timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const settle = (reached: boolean): void => {
        clearTimeout(timer);
        this.#waiting.delete(waiter);
        resolve(reached);
      };
      const waiter: Waiter = { position, settle };
      const timer = setTimeout(() => settle(false), timeoutMs);
      this.#waiting.add(waiter);
    });
  }

  reached(position: Position): void {
    for (const waiter of this.#waiting) if (waiter.position <= position) waiter.settle(true);
  }

  dismiss(): void {
    for (const waiter of this.#waiting) waiter.settle(false);
  }
}
