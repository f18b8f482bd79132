import { readFile, rename, writeFile } from 'node:fs/promises';
import { type SeenEvent, fieldOf, positionOf, startPosition, textOf } from './event.ts';

/** How many ids are remembered. Order is by position; ids matter where reading starts over. */
const mostIds = 200;
const saveEveryMs = 1_000;

interface Saved {
  readonly source: string | undefined;
  readonly position: string;
  readonly ids: readonly string[];
}

const nothing: Saved = { source: undefined, position: startPosition, ids: [] };

const parse = (text: string): Saved => {
  const value: unknown = JSON.parse(text);
  const ids = fieldOf(value, 'ids');
  return {
    source: textOf(value, 'source'),
    position: positionOf(value, 'position'),
    ids: Array.isArray(ids) ? ids.filter((id) => typeof id === 'string') : [],
  };
};

/** Up to where this program has processed events, kept in a small file. A JetStream sequence is never kept. */
export class Progress {
  readonly #file: string;
  readonly #ids: Set<string>;
  #source: string | undefined;
  #position: string;
  #savedAt = 0;
  #changed = false;

  private constructor(file: string, saved: Saved) {
    this.#file = file;
    this.#source = saved.source;
    this.#position = saved.position;
    this.#ids = new Set(saved.ids);
  }

  /** What an earlier run has written; the beginning if there is no file. @throws Error the file is no such file */
  static async open(file: string): Promise<Progress> {
    let text: string;
    try {
      text = await readFile(file, 'utf8');
    } catch (error) {
      if (fieldOf(error, 'code') === 'ENOENT') return new Progress(file, nothing);
      throw error;
    }
    return new Progress(file, parse(text));
  }

  get position(): string {
    return this.#position;
  }

  /** Begins anew where the events come from another store than before; true if so. */
  enter(source: string): boolean {
    const isOther = this.#source !== undefined && this.#source !== source;
    if (isOther) this.#position = startPosition;
    this.#source = source;
    return isOther;
  }

  isSeen({ id, position }: SeenEvent): boolean {
    return position <= this.#position || this.#ids.has(id);
  }

  /** The event is processed. Written at once if `now`, else with the next write, at most a second later. */
  async advance({ id, position }: SeenEvent, now: boolean): Promise<void> {
    this.#position = position;
    this.#ids.add(id);
    for (const oldest of this.#ids) {
      if (this.#ids.size <= mostIds) break;
      this.#ids.delete(oldest);
    }
    this.#changed = true;
    if (now || performance.now() - this.#savedAt > saveEveryMs) await this.save();
  }

  /** Replaces the file in one step, so that it is never half written. */
  async save(): Promise<void> {
    if (!this.#changed) return;
    this.#changed = false;
    this.#savedAt = performance.now();
    const saved: Saved = { source: this.#source, position: this.#position, ids: [...this.#ids] };
    await writeFile(`${this.#file}.new`, `${JSON.stringify(saved)}\n`);
    await rename(`${this.#file}.new`, this.#file);
  }
}
