import { formatPosition, type NewEvent, type RecordedEvent } from '@signalbox/contracts';
import { EventIdReused, VersionConflict, type AppendResult } from '@signalbox/event-store';
import pg from 'pg';
import { decodeRow, eventColumns, instantOfMicros, type EventRow } from './rows.ts';

/** One call of `append`, as it waits for its batch. */
export interface Append {
  readonly stream: string;
  readonly expectedVersion: number;
  readonly events: readonly NewEvent[];
}

/** Row of `events.append`; `position` and `recorded_us` are those of the append's first event. */
interface OutcomeRow {
  readonly n: number;
  readonly outcome: 'stored' | 'conflict' | 'repeated' | 'reused';
  readonly version: number;
  readonly position: string;
  readonly recorded_us: string;
  readonly ids: readonly string[] | null;
}

const appendText = 'select n, outcome, version, position, recorded_us, ids from events.append($1)';
const tryAppendText = 'select position, recorded_us from events.try_append($1)';
const byIdText = `select ${eventColumns} from events.log l where l.id = any($1::uuid[])`;

const encode = (appends: readonly Append[]): string =>
  JSON.stringify(
    appends.flatMap(({ stream, expectedVersion, events }, n) =>
      events.map((event, i) => ({
        n,
        i,
        stream,
        expected: expectedVersion,
        id: event.id,
        type: event.type,
        type_version: event.version,
        occurred_at: event.occurredAt,
        actor_type: event.actor.type,
        actor_id: event.actor.id,
        correlation_id: event.correlationId,
        causation_id: event.causationId,
        traceparent: event.traceparent ?? null,
        body: event.body,
      })),
    ),
  );

/** Where an append's events begin: position and instant of the first. */
type Begin = Pick<OutcomeRow, 'position' | 'recorded_us'>;

const storedResult = ({ stream, expectedVersion, events }: Append, row: Begin): AppendResult => {
  const position = Number(row.position);
  const recordedUs = Number(row.recorded_us);
  return {
    version: expectedVersion + events.length,
    position: formatPosition(position + events.length - 1),
    repeated: false,
    events: events.map((event, index) => ({
      ...event,
      stream,
      streamVersion: expectedVersion + index + 1,
      position: formatPosition(position + index),
      recordedAt: instantOfMicros(recordedUs + index),
    })),
  };
};

type Stored = ReadonlyMap<string, RecordedEvent>;

/** The events of repeated appends as they were stored: they never change, so they can be read after the batch. */
const loadStored = async (pool: pg.Pool, ids: readonly string[]): Promise<Stored> => {
  if (ids.length === 0) return new Map();
  const { rows } = await pool.query<EventRow>({ name: 'events.by-id', text: byIdText, values: [ids] });
  return new Map(rows.map((row) => [row.id, decodeRow(row)]));
};

const repeatedResult = ({ events }: Append, stored: Stored): AppendResult | Error => {
  const found = events.flatMap(({ id }) => stored.get(id) ?? []);
  found.sort((a, b) => a.streamVersion - b.streamVersion);
  const last = found.at(-1);
  if (last === undefined) return new Error('expected the stored events of a repeated append, got none');
  return { version: last.streamVersion, position: last.position, events: found, repeated: true };
};

const resultOf = (append: Append, row: OutcomeRow | undefined, stored: Stored): AppendResult | Error => {
  switch (row?.outcome) {
    case 'stored':
      return storedResult(append, row);
    case 'conflict':
      return new VersionConflict(append.stream, append.expectedVersion, row.version);
    case 'reused':
      return new EventIdReused(append.stream, row.ids ?? []);
    case 'repeated':
      return repeatedResult(append, stored);
    case undefined:
      return new Error(`expected an outcome of the append to stream ${append.stream}, got none`);
  }
};

/** The events of a batch that was stored as a whole stand one after the other. */
const storedTogether = (appends: readonly Append[], before: Begin): AppendResult[] => {
  let first = 1;
  return appends.map((append) => {
    const begin = {
      position: String(Number(before.position) + first),
      recorded_us: String(Number(before.recorded_us) + first),
    };
    first += append.events.length;
    return storedResult(append, begin);
  });
};

/** A batch in one statement: its own transaction, one wait for the disk; in a second one where an append is refused. */
const appendTogether = async (
  pool: pg.Pool,
  appends: readonly Append[],
): Promise<readonly (AppendResult | Error)[]> => {
  const encoded = encode(appends);
  const tried = await pool.query<Begin>({
    name: 'events.try-append',
    text: tryAppendText,
    values: [encoded],
  });
  const before = tried.rows[0];
  return before === undefined ? judgeTogether(pool, appends, encoded) : storedTogether(appends, before);
};

/** A batch of which some appends are refused or were stored before. */
const judgeTogether = async (
  pool: pg.Pool,
  appends: readonly Append[],
  encoded: string,
): Promise<readonly (AppendResult | Error)[]> => {
  const query = { name: 'events.append', text: appendText, values: [encoded] };
  const { rows } = await pool.query<OutcomeRow>(query);
  const outcomes = new Map(rows.map((row) => [row.n, row]));
  const repeated = appends.filter((_, n) => outcomes.get(n)?.outcome === 'repeated');
  const stored = await loadStored(
    pool,
    repeated.flatMap(({ events }) => events.map(({ id }) => id)),
  );
  return appends.map((append, n) => resultOf(append, outcomes.get(n), stored));
};

/** Refused because of what an append holds (SQLSTATE classes 22 and 23), not because of the server's state. */
const isDataError = (error: unknown): boolean =>
  error instanceof pg.DatabaseError && /^2[23]/.test(error.code ?? '');

/**
 * Appends a batch. No two appends of it may share a stream or an id.
 * Should the server refuse the whole statement because of one append's data, each is tried alone: nobody else pays.
 */
export const appendBatch = async (
  pool: pg.Pool,
  appends: readonly Append[],
): Promise<readonly (AppendResult | Error)[]> => {
  try {
    return await appendTogether(pool, appends);
  } catch (error) {
    if (!isDataError(error) || appends.length === 1) throw error;
  }
  const results: (AppendResult | Error)[] = [];
  for (const append of appends) {
    try {
      results.push(...(await appendTogether(pool, [append])));
    } catch (error) {
      results.push(
        error instanceof Error
          ? error
          : new Error('expected an answer to an append, got an error', { cause: error }),
      );
    }
  }
  return results;
};
