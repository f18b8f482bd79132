import { createBatcher } from '@signalbox/postgres';
import type { Pool } from 'pg';

export interface ChunkRow {
  readonly sequence: number;
  /** 1 stdout, 2 stderr. */
  readonly stream: 1 | 2;
  readonly at: string;
  readonly offset: number;
  readonly bytes: Buffer;
  /** The hash chain up to and with this chunk. */
  readonly hash: Buffer;
}

export interface AttemptKey {
  readonly assignmentId: string;
  readonly attempt: number;
  /** UTC day of the claim: the partition that holds the whole attempt. */
  readonly day: string;
}

/** Where an attempt's output stands. */
export interface Tail {
  readonly nextSequence: number;
  readonly bytes: number;
  readonly hash: Buffer;
}

export const emptyTail: Tail = { nextSequence: 1, bytes: 0, hash: Buffer.alloc(32) };

interface Insert {
  readonly key: AttemptKey;
  readonly rows: readonly ChunkRow[];
}

/** Bytes after which a page ends: as JSON, with the text escaped and once more as base64, it stays below 1 MiB. */
const pageBytes = 65_536;
const mostBatchBytes = 8 * 1_048_576;

/** Codes of Postgres for a table that another replica is just creating or has created. */
const existsAlready = new Set(['42P07', '23505', '42P17']);

const codeOf = (error: unknown): unknown =>
  typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;

/** Table `gateway.output`, partitioned by day; chunks are durable before they are acknowledged. */
export class OutputTable {
  /** Inserts the chunks of one attempt; false when any of them was there already (another replica wrote). */
  readonly insert: (key: AttemptKey, rows: readonly ChunkRow[]) => Promise<boolean>;
  readonly #pool: Pool;
  readonly #days = new Set<string>();

  constructor(pool: Pool) {
    this.#pool = pool;
    const batcher = createBatcher<Insert, boolean>({
      maxBatch: 200,
      weightOf: (item) => item.rows.reduce((sum, row) => sum + row.bytes.length, 0),
      maxWeight: mostBatchBytes,
      keysOf: (item) => [`${item.key.assignmentId}/${item.key.attempt}`],
      run: (items) => this.#insertAll(items),
    });
    this.insert = (key, rows) => batcher.add({ key, rows });
  }

  async tail(key: Omit<AttemptKey, 'day'>): Promise<Tail> {
    const { rows } = await this.#pool.query<{ sequence: string; total: string; hash: Buffer }>({
      name: 'gateway-output-tail',
      text: `select sequence, byte_offset + length(bytes) as total, hash from gateway.output
             where assignment_id = $1 and attempt = $2 order by sequence desc limit 1`,
      values: [key.assignmentId, key.attempt],
    });
    const last = rows[0];
    if (last === undefined) return emptyTail;
    return { nextSequence: Number(last.sequence) + 1, bytes: Number(last.total), hash: last.hash };
  }

  /** At most `limit` chunks from a sequence on; fewer where they are large, so that a page fits into one message. */
  async read(key: Omit<AttemptKey, 'day'>, fromSequence: number, limit: number): Promise<ChunkRow[]> {
    const { rows } = await this.#pool.query<{
      sequence: string;
      stream: 1 | 2;
      agent_at: Date;
      byte_offset: string;
      bytes: Buffer;
      hash: Buffer;
    }>({
      name: 'gateway-output-read',
      text: `select * from (
               select *, sum(length(bytes)) over (order by sequence) - length(bytes) as before from (
                 select sequence, stream, agent_at, byte_offset, bytes, hash from gateway.output
                 where assignment_id = $1 and attempt = $2 and sequence >= $3 order by sequence limit $4
               ) as page
             ) as page where before < $5 order by sequence`,
      values: [key.assignmentId, key.attempt, fromSequence, limit, pageBytes],
    });
    return rows.map(({ sequence, stream, agent_at, byte_offset, bytes, hash }) => ({
      sequence: Number(sequence),
      stream,
      at: agent_at.toISOString(),
      offset: Number(byte_offset),
      bytes,
      hash,
    }));
  }

  /** The newest attempt of an assignment that has output. */
  async newestAttempt(assignmentId: string): Promise<number | undefined> {
    const { rows } = await this.#pool.query<{ attempt: number }>(
      'select attempt from gateway.output where assignment_id = $1 order by attempt desc limit 1',
      [assignmentId],
    );
    return rows[0]?.attempt;
  }

  /** Makes the partition of a day where it is missing. */
  async ensureDay(day: string): Promise<void> {
    if (this.#days.has(day)) return;
    if (!/^\d{4}-\d\d-\d\d$/.test(day)) throw new RangeError(`expected a day such as 2026-01-31, got ${day}`);
    const next = new Date(Date.parse(`${day}T00:00:00Z`) + 86_400_000).toISOString().slice(0, 10);
    try {
      await this.#pool.query(
        `create table if not exists gateway.output_${day.replaceAll('-', '')}
         partition of gateway.output for values from ('${day}') to ('${next}')`,
      );
    } catch (error) {
      if (!existsAlready.has(String(codeOf(error)))) throw error;
    }
    this.#days.add(day);
  }

  async #insertAll(items: readonly Insert[]): Promise<boolean[]> {
    for (const day of new Set(items.map((item) => item.key.day))) await this.ensureDay(day);
    const all = items.flatMap(({ key, rows }) => rows.map((row) => ({ key, row })));
    const { rows } = await this.#pool.query<{ id: string }>({
      name: 'gateway-output-insert',
      text: `insert into gateway.output (assignment_id, attempt, sequence, day, stream, agent_at, byte_offset, bytes, hash)
             select * from unnest($1::text[], $2::integer[], $3::bigint[], $4::date[], $5::smallint[], $6::timestamptz[],
                                  $7::bigint[], $8::bytea[], $9::bytea[])
             on conflict do nothing returning assignment_id || '/' || attempt as id`,
      values: [
        all.map(({ key }) => key.assignmentId),
        all.map(({ key }) => key.attempt),
        all.map(({ row }) => row.sequence),
        all.map(({ key }) => key.day),
        all.map(({ row }) => row.stream),
        all.map(({ row }) => row.at),
        all.map(({ row }) => row.offset),
        all.map(({ row }) => row.bytes),
        all.map(({ row }) => row.hash),
      ],
    });
    const stored = new Map<string, number>();
    for (const { id } of rows) stored.set(id, (stored.get(id) ?? 0) + 1);
    return items.map(
      (item) => stored.get(`${item.key.assignmentId}/${item.key.attempt}`) === item.rows.length,
    );
  }
}
