import {
  type Event,
  type Position,
  type RecordedEvent,
  UndecodableEvent,
  decodeEvent,
  positionStart,
} from '@signalbox/contracts';
import type { EventStore } from '@signalbox/event-store';
import { type PostgresReaderState, openReaderState } from '@signalbox/postgres';
import type pg from 'pg';
import { auditSchema } from './database.ts';
import { Partitions } from './partitions.ts';
import { projectEvents } from './project.ts';

/** Name of the reader, of its position and of its lease row. */
export const projectorName = 'audit-projector';

/** Position and parked events of the projector. What crashes lose comes again from the log, so commits need not wait. */
export const openProjectorState = (pool: pg.Pool): Promise<PostgresReaderState> =>
  openReaderState({ pool, schema: auditSchema, name: projectorName, durable: false });

export interface RebuildProgress {
  readonly events: number;
  readonly parked: number;
  readonly position: Position;
  /** Position at which the rebuild ends. */
  readonly head: Position;
}

export interface RebuildOptions {
  readonly pool: pg.Pool;
  readonly store: EventStore;
  readonly onProgress?: (progress: RebuildProgress) => void;
  /** Events that are read and written at a time; default 1 000. */
  readonly batchSize?: number;
}

/** One rebuild: what it has done so far, in its one transaction. */
class Rebuild {
  #events = 0;
  #parked = 0;
  readonly #tx: pg.PoolClient;
  readonly #state: PostgresReaderState;
  readonly #partitions = new Partitions();
  readonly #parkedStreams = new Set<string>();

  constructor(tx: pg.PoolClient, state: PostgresReaderState) {
    this.#tx = tx;
    this.#state = state;
  }

  counts(): { readonly events: number; readonly parked: number } {
    return { events: this.#events, parked: this.#parked };
  }

  /** Projects a page at once; if something in it cannot be written, one event after the other. */
  async add(page: readonly RecordedEvent[]): Promise<void> {
    const events: Event[] = [];
    for (const recorded of page) {
      const event = await this.#readable(recorded);
      if (event !== undefined) events.push(event);
    }
    if ((await this.#refusal(events)) !== undefined)
      for (const event of events) await this.#addOne(event, page);
    this.#events += page.length;
  }

  async #addOne(event: Event, page: readonly RecordedEvent[]): Promise<void> {
    const recorded = page.find(({ position }) => position === event.position);
    if (recorded === undefined) return;
    const reason = this.#parkedStreams.has(event.stream) ? follows(event) : await this.#refusal([event]);
    if (reason !== undefined) await this.#park(recorded, reason);
  }

  /** Writes all of the events, or nothing and says why. */
  async #refusal(events: readonly Event[]): Promise<string | undefined> {
    await this.#tx.query('savepoint page');
    try {
      await projectEvents(this.#tx, events, this.#partitions);
      await this.#tx.query('release savepoint page');
      return undefined;
    } catch (error) {
      await this.#tx.query('rollback to savepoint page');
      return error instanceof Error ? error.message : String(error);
    }
  }

  /** The decoded event; undefined when it was parked, because it cannot be read or follows one that cannot. */
  async #readable(recorded: RecordedEvent): Promise<Event | undefined> {
    try {
      if (!this.#parkedStreams.has(recorded.stream)) return decodeEvent(recorded);
      await this.#park(recorded, follows(recorded));
    } catch (error) {
      if (!(error instanceof UndecodableEvent)) throw error;
      await this.#park(recorded, error.message);
    }
    return undefined;
  }

  async #park(recorded: RecordedEvent, reason: string): Promise<void> {
    await this.#state.park(this.#tx, recorded, reason);
    this.#parkedStreams.add(recorded.stream);
    this.#parked += 1;
  }
}

const follows = ({ stream }: { readonly stream: string }): string => `follows a parked event of ${stream}`;

/** Pages of the log up to `head`, oldest first. */
async function* pagesOf(
  store: EventStore,
  head: Position,
  size: number,
): AsyncGenerator<readonly RecordedEvent[]> {
  for (let position = positionStart; position < head;) {
    const page = (await store.readAll(position, size)).filter((event) => event.position <= head);
    const last = page.at(-1);
    if (last === undefined) throw new Error(`expected events up to ${head}, got none after ${position}`);
    yield page;
    position = last.position;
  }
}

/**
 * Builds the audit tables anew from the event store, up to its newest event, in one transaction that begins by locking
 * the projector's row. Queries see the old rows until the new ones are complete; an active projector waits, then finds
 * itself overtaken and goes on from the new position. Events that cannot be shown are parked as the projector would.
 *
 * @throws Error the database or the store failed; nothing has changed
 */
export const rebuildAudit = async (options: RebuildOptions): Promise<RebuildProgress> => {
  const { pool, store, onProgress, batchSize = 1_000 } = options;
  const state = await openProjectorState(pool);
  const head = await store.head();
  let progress: RebuildProgress = { events: 0, parked: 0, position: positionStart, head };
  await state.reset(async (tx) => {
    await tx.query('set local statement_timeout = 0');
    for (const table of ['audit_logs', 'job_rows', 'assignment_rows'])
      await tx.query(`delete from audit.${table}`);
    const rebuild = new Rebuild(tx, state);
    for await (const page of pagesOf(store, head, batchSize)) {
      await rebuild.add(page);
      progress = { ...rebuild.counts(), position: page.at(-1)?.position ?? progress.position, head };
      onProgress?.(progress);
    }
    await tx.query('update audit.reader_positions set position = $2 where name = $1', [projectorName, head]);
  });
  return progress;
};
