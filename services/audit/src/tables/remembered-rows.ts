import type { Event } from '@signalbox/contracts';
import type { RowsBefore } from './project.ts';

export interface RememberedOptions<Row> {
  readonly keyOf: (row: Row) => string;
  /** No event is expected for it any more: it is written, and forgotten. */
  readonly isEnded: (row: Row) => boolean;
  /** Whether a key's first event begins it, so that no table can have its row. */
  readonly begins: (event: Event) => boolean;
  readonly load: (keys: readonly string[]) => Promise<Map<string, Row>>;
  readonly save: (rows: readonly Row[]) => Promise<void>;
  /** Rows that are remembered at most; beyond, all are written. */
  readonly most: number;
}

/**
 * Rows that a rebuild has not written yet, because most of them change with the next events. Those that have ended go to
 * the table at once, the others with `flush`; a row that is needed after all is read again.
 */
export class RememberedRows<Row> implements RowsBefore<Row> {
  readonly #open = new Map<string, Row>();
  readonly #options: RememberedOptions<Row>;

  constructor(options: RememberedOptions<Row>) {
    this.#options = options;
  }

  async load(keys: ReadonlyMap<string, Event>): Promise<Map<string, Row>> {
    const found = new Map<string, Row>();
    const written: string[] = [];
    for (const [key, event] of keys) {
      const row = this.#open.get(key);
      if (row !== undefined) found.set(key, row);
      else if (!this.#options.begins(event)) written.push(key);
    }
    if (written.length > 0) for (const [key, row] of await this.#options.load(written)) found.set(key, row);
    return found;
  }

  /** Writes those of the rows that have ended. */
  async saveEnded(rows: readonly Row[]): Promise<void> {
    const ended = rows.filter(this.#options.isEnded);
    if (ended.length > 0) await this.#options.save(ended);
  }

  /** Remembers the rows as they are now, and forgets those that have ended: they are written. */
  async remember(rows: readonly Row[]): Promise<void> {
    const { keyOf, isEnded, most } = this.#options;
    for (const row of rows) {
      if (isEnded(row)) this.#open.delete(keyOf(row));
      else this.#open.set(keyOf(row), row);
    }
    if (this.#open.size > most) await this.flush();
  }

  /** Writes all that is remembered. */
  async flush(): Promise<void> {
    const rows = [...this.#open.values()];
    for (let at = 0; at < rows.length; at += 1_000) await this.#options.save(rows.slice(at, at + 1_000));
    this.#open.clear();
  }
}
