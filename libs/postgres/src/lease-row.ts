import { randomUUID } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { LeaseRow } from '@signalbox/event-store';
import type pg from 'pg';
import { migrate, type Migration } from './migrate.ts';

const migrations: readonly Migration[] = [
  {
    id: '001-leases',
    sql: `create table signalbox.leases (
            name text primary key,
            holder text not null,
            until timestamptz not null
          ) with (fillfactor = 50)`,
  },
];

/** One conditional upsert: takes a free or ended lease, renews one's own, and otherwise changes nothing. */
const acquireText = `
  insert into signalbox.leases as l (name, holder, until)
  values ($1, $2, now() + $3 * interval '1 millisecond')
  on conflict (name) do update set holder = excluded.holder, until = excluded.until
  where l.holder = excluded.holder or l.until <= now()
  returning 1`;

export interface LeaseOptions {
  readonly pool: pg.Pool;
  /** What is led, such as `relay`; one row. */
  readonly name: string;
  /** Who holds it; unique per process and start. Default: a random id. */
  readonly holder?: string;
  /** Life of the lease in milliseconds; default 3 000. */
  readonly lifeMs?: number;
  /** Monotonic clock in milliseconds; for tests. */
  readonly now?: () => number;
}

/**
 * A lease in table `signalbox.leases`. Its end is decided by the database's `now()` alone; the holder counts the same
 * life from before its query by its own monotonic clock, so it always believes in an earlier end than the database does,
 * also when it was paused.
 */
export class PostgresLeaseRow extends LeaseRow {
  readonly name: string;
  readonly holder: string;
  readonly lifeMs: number;
  readonly #pool: pg.Pool;
  readonly #now: () => number;
  #until = 0;

  constructor(options: LeaseOptions) {
    super();
    this.name = options.name;
    this.holder = options.holder ?? randomUUID();
    this.lifeMs = options.lifeMs ?? 3_000;
    this.#pool = options.pool;
    this.#now = options.now ?? (() => performance.now());
  }

  /** A query that hangs fails after a third of the life, so that there is time for another try. */
  async acquire(): Promise<boolean> {
    const askedAt = this.#now();
    const query = {
      name: 'signalbox.lease',
      text: acquireText,
      values: [this.name, this.holder, this.lifeMs],
      query_timeout: Math.ceil(this.lifeMs / 3),
    };
    const { rowCount } = await this.#pool.query(query);
    this.#until = rowCount === 1 ? askedAt + this.lifeMs : 0;
    return this.heldForMs() > 0;
  }

  /** Milliseconds for which this holder still holds the lease without asking again; 0 when it does not. */
  heldForMs(): number {
    return Math.max(0, this.#until - this.#now());
  }

  /** A release that fails does no harm: the lease ends by itself. */
  async release(): Promise<void> {
    this.#until = 0;
    const query = {
      text: 'delete from signalbox.leases where name = $1 and holder = $2',
      values: [this.name, this.holder],
      query_timeout: this.lifeMs,
    };
    await this.#pool.query(query);
  }
}

/** A lease on its row, with the table made where it is missing. Takes nothing yet: see `acquire` and `lead`. */
export const openLease = async (options: LeaseOptions): Promise<PostgresLeaseRow> => {
  await migrate(options.pool, 'signalbox', migrations);
  return new PostgresLeaseRow(options);
};
