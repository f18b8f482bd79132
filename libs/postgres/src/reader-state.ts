import { positionPattern, positionStart, type Position, type RecordedEvent } from '@signalbox/contracts';
import { ReaderOvertaken, ReaderState, type ParkedEvent, type Verdict } from '@signalbox/event-store';
import pg from 'pg';
import { ensureSchema, migrate, schemaName, type Migration } from './migrate.ts';
import { framedTransaction } from './pool.ts';

const migrations = (schema: string): readonly Migration[] => [
  {
    id: `001-reader-tables-${schema}`,
    sql: `
      create table ${schema}.reader_positions (
        name text primary key,
        position text collate "C" not null
      ) with (fillfactor = 50);
      create table ${schema}.parked (
        reader text not null,
        position text collate "C" not null,
        stream text not null,
        event json not null,
        reason text not null,
        parked_at timestamptz not null default clock_timestamp(),
        primary key (reader, position)
      );
      create index parked_stream on ${schema}.parked (reader, stream, position)`,
  },
];

export interface ReaderStateOptions {
  readonly pool: pg.Pool;
  /** Schema of the service that owns the reader's rows. */
  readonly schema: string;
  /** Name of the reader, unique within the schema. */
  readonly name: string;
  /**
   * False for tables derived wholly from events: commits do not wait for the disk, and a crash of the server rewinds rows
   * and position together. Default true.
   */
  readonly durable?: boolean;
}

interface ParkedRow {
  readonly event: RecordedEvent;
  readonly reason: string;
  readonly parked_at: Date;
}

/** Position and parked events of one reader in `<schema>.reader_positions` and `<schema>.parked`. */
export class PostgresReaderState extends ReaderState<pg.PoolClient> {
  readonly name: string;
  readonly #pool: pg.Pool;
  readonly #schema: string;
  readonly #durable: boolean;

  constructor(options: ReaderStateOptions) {
    super();
    this.name = options.name;
    this.#pool = options.pool;
    this.#schema = schemaName(options.schema);
    this.#durable = options.durable ?? true;
  }

  async position(): Promise<Position> {
    const { rows } = await this.#pool.query<{ position: string }>(
      `select position from ${this.#schema}.reader_positions where name = $1`,
      [this.name],
    );
    return rows[0]?.position ?? positionStart;
  }

  /**
   * Begins by locking the reader's row, together with `begin`: a second active reader waits there, then sees the moved
   * position before it has done any work. The move of the position travels with the commit.
   */
  async commit(expected: Position, work: (tx: pg.PoolClient) => Promise<Position>): Promise<void> {
    const row = `name = ${pg.escapeLiteral(this.name)}`;
    await framedTransaction(
      this.#pool,
      {
        opening: `select position from ${this.#schema}.reader_positions where ${row} for update`,
        work: async (tx, [locked]) => {
          if (locked?.['position'] !== expected) throw new ReaderOvertaken(this.name, expected);
          const next = await work(tx);
          if (!positionPattern.test(next) || next < expected) {
            throw new RangeError(
              `expected a position of reader ${this.name} from ${expected} on, got ${next}`,
            );
          }
          return next;
        },
        closing: (next) =>
          `update ${this.#schema}.reader_positions set position = '${next}' where ${row} and position = '${expected}'`,
      },
      { durable: this.#durable },
    );
  }

  /**
   * Sends the reader back to the beginning, for a rebuild: forgets what is parked and runs `work`, which empties the
   * reader's tables, in the same transaction.
   */
  async reset(work: (tx: pg.PoolClient) => Promise<void>): Promise<void> {
    await this.#locked(async (tx) => {
      await tx.query(`delete from ${this.#schema}.parked where reader = $1`, [this.name]);
      await tx.query(`update ${this.#schema}.reader_positions set position = $2 where name = $1`, [
        this.name,
        positionStart,
      ]);
      await work(tx);
    });
  }

  async parkedStreams(): Promise<ReadonlySet<string>> {
    const { rows } = await this.#pool.query<{ stream: string }>(
      `select distinct stream from ${this.#schema}.parked where reader = $1`,
      [this.name],
    );
    return new Set(rows.map(({ stream }) => stream));
  }

  async park(tx: pg.PoolClient, event: RecordedEvent, reason: string): Promise<void> {
    await tx.query(
      `insert into ${this.#schema}.parked (reader, position, stream, event, reason) values ($1, $2, $3, $4, $5)
       on conflict (reader, position) do update set reason = excluded.reason`,
      [this.name, event.position, event.stream, JSON.stringify(event), reason],
    );
  }

  async parked(limit: number): Promise<readonly ParkedEvent[]> {
    const { rows } = await this.#pool.query<ParkedRow>(
      `select event, reason, parked_at from ${this.#schema}.parked where reader = $1 order by position limit $2`,
      [this.name, limit],
    );
    return rows.map((row) => ({
      event: row.event,
      reason: row.reason,
      parkedAt: row.parked_at.toISOString(),
    }));
  }

  /** Waits for a running batch of the reader, and holds it back meanwhile, so that neither overtakes the other. */
  async redrive(
    stream: string,
    handle: (event: RecordedEvent, tx: pg.PoolClient) => Promise<Verdict>,
  ): Promise<{ readonly handled: number; readonly left: number }> {
    return this.#locked(async (tx) => {
      const { rows } = await tx.query<ParkedRow>(
        `select event, reason, parked_at from ${this.#schema}.parked
         where reader = $1 and stream = $2 order by position`,
        [this.name, stream],
      );
      let handled = 0;
      for (const { event } of rows) {
        if (!(await this.#redriveOne(tx, event, handle))) break;
        handled += 1;
      }
      return { handled, left: rows.length - handled };
    });
  }

  /** True when the event was handled and has left the table; what a handler wrote before another verdict is undone. */
  async #redriveOne(
    tx: pg.PoolClient,
    event: RecordedEvent,
    handle: (event: RecordedEvent, tx: pg.PoolClient) => Promise<Verdict>,
  ): Promise<boolean> {
    await tx.query('savepoint redrive');
    const verdict = await handle(event, tx);
    if (verdict.kind === 'ack') {
      await tx.query(`delete from ${this.#schema}.parked where reader = $1 and position = $2`, [
        this.name,
        event.position,
      ]);
      await tx.query('release savepoint redrive');
      return true;
    }
    await tx.query('rollback to savepoint redrive');
    if (verdict.kind === 'park') await this.park(tx, event, verdict.reason);
    return false;
  }

  /** A transaction that begins by locking the reader's row, so that no batch runs meanwhile. */
  async #locked<T>(work: (tx: pg.PoolClient) => Promise<T>): Promise<T> {
    const opening = `select position from ${this.#schema}.reader_positions
                     where name = ${pg.escapeLiteral(this.name)} for update`;
    return framedTransaction(this.#pool, { opening, work }, { durable: this.#durable });
  }
}

/** The state of one reader, with its tables and its row made where they are missing. */
export const openReaderState = async (options: ReaderStateOptions): Promise<PostgresReaderState> => {
  const schema = schemaName(options.schema);
  await ensureSchema(options.pool, schema);
  await migrate(options.pool, 'signalbox', migrations(schema));
  await options.pool.query(
    `insert into ${schema}.reader_positions (name, position) values ($1, $2) on conflict do nothing`,
    [options.name, positionStart],
  );
  return new PostgresReaderState(options);
};
