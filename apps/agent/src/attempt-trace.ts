import { monotonicMs } from './pause.ts';
import { wireLimits, type AttemptTrace } from './wire.ts';

/** Of a `traceparent`, whose last bit says that its trace is recorded. */
const recorded = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f][13579bdf]$/;

/**
 * When the parts of one attempt began and ended, for the trace of its job. It goes to the server with the final status,
 * so that no other connection is needed.
 */
export class Timings {
  readonly #startedAt: number;
  readonly #steps: AttemptTrace['steps'] = [];
  #output: AttemptTrace['output'];
  #endMs = 0;

  /** @param ranMs how long the attempt has been running, which goes on where it was interrupted */
  constructor(ranMs = 0) {
    this.#startedAt = monotonicMs() - ranMs;
  }

  /** A step ends when the answer is called; null where it did not exit by itself. */
  step(name: string): (exitCode: number | null) => void {
    const startMs = this.#sinceStart();
    return (exitCode) => {
      const short = name.slice(0, wireLimits.stepName);
      this.#steps.push({ name: short, startMs, endMs: this.#sinceStart(), exitCode });
    };
  }

  /** One request with output has been answered. */
  sent(startedAt: number, chunks: number): void {
    const startMs = Math.max(0, Math.round(startedAt - this.#startedAt));
    const before = this.#output ?? { startMs, endMs: startMs, requests: 0, chunks: 0 };
    this.#output = {
      startMs: before.startMs,
      endMs: this.#sinceStart(),
      requests: before.requests + 1,
      chunks: before.chunks + chunks,
    };
  }

  /** All that is reported has happened by now. */
  end(): void {
    this.#endMs = this.#sinceStart();
  }

  /** For the final status; null where the trace is not recorded. */
  trace(traceparent: string | undefined): AttemptTrace | null {
    if (traceparent === undefined || !recorded.test(traceparent)) return null;
    const output = this.#output;
    return { endMs: this.#endMs, steps: this.#steps, ...(output === undefined ? {} : { output }) };
  }

  #sinceStart(): number {
    return Math.min(wireLimits.traceMs, Math.round(monotonicMs() - this.#startedAt));
  }
}
