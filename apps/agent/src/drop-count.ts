import type { Cut } from './chunker.ts';
import type { StreamName } from './wire.ts';

/** A line that the agent writes into the output of an attempt, on a line of its own. */
export const agentLine = (text: string): Buffer => Buffer.from(`\n[signalbox-agent] ${text}\n`);

/** How much output was dropped, by stream. */
export class DropCount {
  readonly #bytes: Record<StreamName, number> = { stdout: 0, stderr: 0 };

  get total(): number {
    return this.#bytes.stdout + this.#bytes.stderr;
  }

  add(stream: StreamName, bytes: number): void {
    this.#bytes[stream] += bytes;
  }

  /** What stands in each stream in place of what was dropped from it. */
  lines(): readonly Cut[] {
    return (['stdout', 'stderr'] as const)
      .filter((stream) => this.#bytes[stream] > 0)
      .map((stream) => ({
        stream,
        bytes: agentLine(`${this.#bytes[stream]} bytes of ${stream} were dropped here`),
      }));
  }
}
