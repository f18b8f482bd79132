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

/** What can be read, in order; the rest goes to the parked events, with all that follows in the same stream. */
const readable = async (
  events: readonly RecordedEvent[],
  parkedStreams: Set<string>,
  parkOne: (event: RecordedEvent, reason: string) => Promise<void>,
): Promise<Event[]> => {
  const decoded: Event[] = [];
  for (const event of events) {
    if (parkedStreams.has(event.stream)) {
      await parkOne(event, 'an earlier event of its stream is parked');
      continue;
    }
    try {
      decoded.push(decodeEvent(event));
    } catch (error) {
      if (!(error instanceof UndecodableEvent)) throw error;
      parkedStreams.add(event.stream);
      await parkOne(event, error.message);
    }
  }
  return decoded;
};

/**
 * Builds the audit tables anew from the event store, up to its newest event, in one transaction that begins by locking
 * the projector's row. Queries see the old rows until the new ones are complete; an active projector waits, then finds
 * itself overtaken and goes on from the new position. A rebuild that fails changes nothing.
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
    const partitions = new Partitions();
    const parkedStreams = new Set<string>();
    const parkOne = async (event: RecordedEvent, reason: string): Promise<void> => {
      await state.park(tx, event, reason);
      progress = { ...progress, parked: progress.parked + 1 };
    };
    for (let position = positionStart; position < head; position = progress.position) {
      const page = (await store.readAll(position, batchSize)).filter((event) => event.position <= head);
      const last = page.at(-1);
      if (last === undefined) throw new Error(`expected events up to ${head}, got none after ${position}`);
      await projectEvents(tx, await readable(page, parkedStreams, parkOne), partitions);
      progress = { ...progress, events: progress.events + page.length, position: last.position };
      onProgress?.(progress);
    }
    await tx.query('update audit.reader_positions set position = $2 where name = $1', [projectorName, head]);
  });
  return progress;
};
