import { type Clock } from './clock.ts';
import { type Logger } from './logger.ts';

/** The whole shutdown of a process takes at most this long. */
export const shutdownMs = 10_000;
const stepMs = 5_000;

type Stop = () => Promise<void> | void;

/** Resolves true when `work` ends within the time, false when it does not. Rejects as `work` does. */
export const withinMs = async (work: Promise<unknown>, ms: number): Promise<boolean> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
};

/**
 * What has to be stopped, in which order. Shutdown runs in two steps: everything registered by `onDrain` at once (end
 * open long polls and streams, so that no request is lost), then everything registered by `onStop`, the last first.
 * One that fails or hangs is logged and does not keep the others from stopping.
 */
export class Lifecycle {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #drains: { readonly name: string; readonly stop: Stop }[] = [];
  readonly #stops: { readonly name: string; readonly stop: Stop }[] = [];
  #stopping: Promise<void> | undefined;

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** True from the beginning of the shutdown. */
  get isStopping(): boolean {
    return this.#stopping !== undefined;
  }

  onDrain(name: string, stop: Stop): void {
    this.#drains.push({ name, stop });
  }

  onStop(name: string, stop: Stop): void {
    this.#stops.push({ name, stop });
  }

  /** Idempotent; resolves when all is stopped or the time is over, and never rejects. */
  stop(): Promise<void> {
    this.#stopping ??= this.#run();
    return this.#stopping;
  }

  async #run(): Promise<void> {
    const deadline = this.#clock.monotonicMs() + shutdownMs - 500;
    await Promise.all(this.#drains.map((each) => this.#one(each, deadline)));
    for (const each of this.#stops.toReversed()) await this.#one(each, deadline);
  }

  async #one(
    { name, stop }: { readonly name: string; readonly stop: Stop },
    deadline: number,
  ): Promise<void> {
    const ms = Math.max(100, Math.min(stepMs, deadline - this.#clock.monotonicMs()));
    try {
      const done = await withinMs(Promise.resolve().then(stop), ms);
      if (!done)
        this.#logger.warn('stopping took too long and was given up', { component: name, durationMs: ms });
    } catch (error) {
      this.#logger.error('stopping failed', { component: name, error });
    }
  }
}
