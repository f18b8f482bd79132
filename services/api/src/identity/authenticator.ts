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
/** While the database is away, a key that counted within this time may still look at what is wrong. */
const knownMs = 86_400_000;

interface Known {
  readonly identity: Identity;
  readonly atMs: number;
}

/** Tells who a key stands for, from rows that are at most a second old. */
export class Authenticator {
  readonly #rows: KeyRows;
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry>();
  readonly #known = new Map<string, Known>();

  constructor(rows: KeyRows, clock: Clock) {
    this.#rows = rows;
    this.#clock = clock;
  }

  /**
   * Undefined for a key that does not count. Rejects when the database cannot be asked.
   *
   * @param admitStranger runs before a key is looked up that has not counted here, and may throw
   */
  async identify(key: string, admitStranger: () => void): Promise<Identity | undefined> {
    const hash = hashKey(key);
    const now = this.#clock.monotonicMs();
    const known = this.#entries.get(hash);
    if (known !== undefined && now - known.readAtMs < freshMs) return known.identity;
    if (!this.#known.has(hash)) admitStranger();
    const identity = this.#read(hash);
    this.#entries.delete(hash);
    this.#entries.set(hash, { readAtMs: now, identity });
    this.#trim();
    return identity;
  }

  /** Who a key stood for when it was last looked up, within a day; for what must be seen while the database is away. */
  lastKnown(key: string): Identity | undefined {
    const known = this.#known.get(hashKey(key));
    return known !== undefined && this.#clock.monotonicMs() - known.atMs < knownMs
      ? known.identity
      : undefined;
  }

  /** Looks every key up anew and knows this one no more: a revocation that this replica made counts at once. */
  forget(keyId: string): void {
    this.#entries.clear();
    for (const [hash, { identity }] of this.#known) if (identity.keyId === keyId) this.#known.delete(hash);
  }

  async #read(hash: string): Promise<Identity | undefined> {
    try {
      const row = await this.#rows.findCounting(hash);
      this.#known.delete(hash);
      if (row === null) return undefined;
      const identity = { principalId: row.principalId, keyId: row.keyId, name: row.name, roles: row.roles };
      this.#known.set(hash, { identity, atMs: this.#clock.monotonicMs() });
      return identity;
    } catch (error) {
      this.#entries.delete(hash);
      throw error;
    }
  }

  #trim(): void {
    for (const map of [this.#entries, this.#known]) {
      const oldest = map.keys().next().value;
      if (map.size > mostEntries && oldest !== undefined) map.delete(oldest);
    }
  }
}
