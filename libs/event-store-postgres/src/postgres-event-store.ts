import { formatPosition, type NewEvent, type Position, type RecordedEvent } from '@signalbox/contracts';
import { EventStore, checkAppend, type AppendResult } from '@signalbox/event-store';
import { createBatcher, migrate, type Batcher } from '@signalbox/postgres';
import type pg from 'pg';
import { appendBatch, type Append } from './append.ts';
import { migrations } from './migrations.ts';
import { decodeRow, eventColumns, type EventRow } from './rows.ts';

export interface PostgresEventStoreOptions {
  /** Used for every statement; the caller ends it after the last call has settled. */
  readonly pool: pg.Pool;
  /** Called after new events have been committed, once per batch: to wake the relay. Never throws. */
  readonly onAppended?: () => void;
}

/** Most appends of one batch, and most bytes of their bodies; one append that is larger goes alone. */
const maxBatch = 256;
const maxBatchBytes = 4_194_304;
const maxReads = 256;
const noLimit = 2_147_483_647;

interface StreamRead {
  readonly stream: string;
  readonly from: number;
  readonly limit: number;
}

const readText = `
  select r.n::integer as n, l.* from unnest($1::text[], $2::integer[], $3::integer[])
    with ordinality as r(stream, from_version, most, n)
  cross join lateral (
    select ${eventColumns} from events.log l
    where l.stream = r.stream and l.version >= r.from_version order by l.version limit r.most
  ) l
  order by r.n, l.version`;
const readAllText = `
  select ${eventColumns} from events.log l where l.position > $1 order by l.position limit $2`;

const readBatch = async (
  pool: pg.Pool,
  reads: readonly StreamRead[],
): Promise<readonly RecordedEvent[][]> => {
  const { rows } = await pool.query<EventRow & { n: number }>({
    name: 'events.read',
    text: readText,
    values: [
      reads.map(({ stream }) => stream),
      reads.map(({ from }) => from),
      reads.map(({ limit }) => limit),
    ],
  });
  const results: RecordedEvent[][] = reads.map(() => []);
  for (const row of rows) results[row.n - 1]?.push(decodeRow(row));
  return results;
};

/**
 * The log in Postgres, schema `events`. One batch of appends and one of stream reads is in flight per store; what is
 * called meanwhile forms the next. A failing connection rejects the calls of its batch: whether those appends were
 * stored is then unknown, and appending the same events again is safe.
 */
export class PostgresEventStore extends EventStore {
  readonly storeId: string;
  readonly #pool: pg.Pool;
  readonly #appends: Batcher<Append, AppendResult>;
  readonly #reads: Batcher<StreamRead, readonly RecordedEvent[]>;

  constructor(storeId: string, options: PostgresEventStoreOptions) {
    super();
    const { pool, onAppended } = options;
    this.storeId = storeId;
    this.#pool = pool;
    this.#appends = createBatcher<Append, AppendResult>({
      maxBatch,
      keysOf: ({ stream, events }) => [stream, ...events.map(({ id }) => id)],
      weightOf: ({ events }) => events.reduce((sum, { body }) => sum + body.length, 0),
      maxWeight: maxBatchBytes,
      run: async (appends) => {
        const results = await appendBatch(pool, appends);
        if (results.some((result) => !(result instanceof Error) && !result.repeated)) onAppended?.();
        return results;
      },
    });
    this.#reads = createBatcher<StreamRead, readonly RecordedEvent[]>({
      maxBatch: maxReads,
      run: (reads) => readBatch(pool, reads),
    });
  }

  async append(stream: string, expectedVersion: number, events: readonly NewEvent[]): Promise<AppendResult> {
    checkAppend(stream, expectedVersion, events);
    return this.#appends.add({ stream, expectedVersion, events });
  }

  read(stream: string, from = 1, limit = noLimit): Promise<readonly RecordedEvent[]> {
    return this.#reads.add({ stream, from, limit });
  }

  async readAll(after: Position, limit: number): Promise<readonly RecordedEvent[]> {
    const query = { name: 'events.read-all', text: readAllText, values: [after, limit] };
    return (await this.#pool.query<EventRow>(query)).rows.map(decodeRow);
  }

  head(): Promise<Position> {
    return this.#position('select coalesce(max(position), 0) as position from events.log');
  }

  positionBefore(instant: string): Promise<Position> {
    return this.#position('select events.position_before($1) as position', instant);
  }

  published(): Promise<Position> {
    return this.#position('select position from events.published');
  }

  async setPublished(position: Position): Promise<void> {
    const text = 'update events.published set position = $1 where position < $1';
    await this.#pool.query({ name: 'events.set-published', text, values: [position] });
  }

  async #position(text: string, ...values: readonly string[]): Promise<Position> {
    const { rows } = await this.#pool.query<{ position: string }>(text, [...values]);
    return formatPosition(rows[0]?.position ?? 0);
  }
}

/** The store of a database, with schema `events` made or brought forward where needed; safe in several processes at once. */
export const openPostgresEventStore = async (
  options: PostgresEventStoreOptions,
): Promise<PostgresEventStore> => {
  const encoding = await options.pool.query<{ server_encoding: string }>('show server_encoding');
  if (encoding.rows[0]?.server_encoding !== 'UTF8') {
    throw new Error(`expected a database in encoding UTF8, got ${encoding.rows[0]?.server_encoding}`);
  }
  await migrate(options.pool, 'events', migrations);
  const { rows } = await options.pool.query<{ store_id: string }>('select store_id from events.store');
  const storeId = rows[0]?.store_id;
  if (storeId === undefined) throw new Error('expected the row of table events.store, got none');
  return new PostgresEventStore(storeId, options);
};
