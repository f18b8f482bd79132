import { type Clock } from '@signalbox/service-kit';
import { type KeyRows } from '../tables/key-rows.ts';
import { hashKey } from './key-text.ts';

/** Who a key stands for. */
export interface Identity {
  readonly principalId: string;
  readonly keyId: string;
  readonly name: string;
  readonly roles: readonly string[];
}

interface Entry {
  readonly readAtMs: number;
  readonly identity: Promise<Identity | undefined>;
}

/** A revocation by another replica counts after this long at most. */
const freshMs = 900;
const mostEntries = 10_000;

/** Tells who a key stands for, from rows that are at most a second old. */
export class Authenticator {
  readonly #rows: KeyRows;
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry>();

  constructor(rows: KeyRows, clock: Clock) {
    this.#rows = rows;
    this.#clock = clock;
  }

  /** Undefined for a key that does not count. Rejects when the database cannot be asked. */
  identify(key: string): Promise<Identity | undefined> {
    const hash = hashKey(key);
    const now = this.#clock.monotonicMs();
    const known = this.#entries.get(hash);
    if (known !== undefined && now - known.readAtMs < freshMs) return known.identity;
    const identity = this.#read(hash);
    this.#entries.delete(hash);
    this.#entries.set(hash, { readAtMs: now, identity });
    this.#trim();
    return identity;
  }

  /** Forgets all: a revocation that this replica made counts at once. */
  forget(): void {
    this.#entries.clear();
  }

  async #read(hash: string): Promise<Identity | undefined> {
    try {
      const row = await this.#rows.findCounting(hash);
      if (row === null) return undefined;
      return { principalId: row.principalId, keyId: row.keyId, name: row.name, roles: row.roles };
    } catch (error) {
      this.#entries.delete(hash);
      throw error;
    }
  }

  #trim(): void {
    const oldest = this.#entries.keys().next().value;
    if (this.#entries.size > mostEntries && oldest !== undefined) this.#entries.delete(oldest);
  }
}
