import {
  type AssignmentView,
  type Event,
  type JobDetail,
  type Position,
  type RecordedEvent,
  UndecodableEvent,
  isEnd,
  positionStart,
  tryDecodeEvent,
} from '@signalbox/contracts';
import type { EventStore } from '@signalbox/event-store';
import { type PostgresReaderState, openReaderState } from '@signalbox/postgres';
import type pg from 'pg';
import { loadAssignments, saveAssignments } from './assignment-rows.ts';
import { type AuditRows, auditRows, insertAuditRows } from './audit-rows.ts';
import { auditSchema } from './database.ts';
import { loadJobs, saveJobs } from './job-rows.ts';
import { Partitions } from './partitions.ts';
import { evolveAssignments, evolveJobs } from './project.ts';
import { RememberedRows } from './remembered-rows.ts';

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

/** Rows of jobs and of assignments that are remembered at most, each. */
const mostRemembered = 50_000;

/** A page of the log, decoded, and its rows of `audit_logs`: all that can be made ready while the page before is written. */
interface Page {
  readonly read: readonly (readonly [RecordedEvent, Event | UndecodableEvent])[];
  readonly events: readonly Event[];
  readonly rows: AuditRows;
}

const pageOf = (recorded: readonly RecordedEvent[]): Page => {
  const read = recorded.map((each) => [each, tryDecodeEvent(each)] as const);
  const events = read.flatMap(([, event]) => (event instanceof UndecodableEvent ? [] : [event]));
  return { read, events, rows: auditRows(events) };
};

/** One rebuild: what it has done so far, in its one transaction. */
class Rebuild {
  #events = 0;
  #parked = 0;
  readonly #tx: pg.PoolClient;
  readonly #state: PostgresReaderState;
  readonly #partitions = new Partitions();
  readonly #parkedStreams = new Set<string>();
  readonly #jobs: RememberedRows<JobDetail>;
  readonly #assignments: RememberedRows<AssignmentView>;

  constructor(tx: pg.PoolClient, state: PostgresReaderState) {
    this.#tx = tx;
    this.#state = state;
    this.#jobs = new RememberedRows({
      keyOf: ({ jobId }) => jobId,
      isEnded: ({ endedAt }) => endedAt !== null,
      begins: ({ type }) => type === 'JobCreated',
      load: (keys) => loadJobs(tx, keys),
      save: (rows) => saveJobs(tx, rows),
      most: mostRemembered,
    });
    this.#assignments = new RememberedRows({
      keyOf: ({ assignmentId }) => assignmentId,
      isEnded: ({ status }) => isEnd(status),
      begins: ({ streamVersion }) => streamVersion === 1,
      load: (keys) => loadAssignments(tx, keys),
      save: (rows) => saveAssignments(tx, rows),
      most: mostRemembered,
    });
  }

  counts(): { readonly events: number; readonly parked: number } {
    return { events: this.#events, parked: this.#parked };
  }

  /** Projects a page at once; if something in it cannot be read or written, one event after the other. */
  async add({ read, events, rows }: Page): Promise<void> {
    const isWhole =
      events.length === read.length && !events.some(({ stream }) => this.#parkedStreams.has(stream));
    if (!isWhole || (await this.#refusal(events, rows)) !== undefined)
      for (const [recorded, event] of read) await this.#addOne(recorded, event);
    this.#events += read.length;
  }

  /** What must still be written when the last page has been added. */
  async finish(): Promise<void> {
    await this.#jobs.flush();
    await this.#assignments.flush();
  }

  async #addOne(recorded: RecordedEvent, event: Event | UndecodableEvent): Promise<void> {
    const reason = this.#parkedStreams.has(recorded.stream)
      ? follows(recorded)
      : event instanceof UndecodableEvent
        ? event.message
        : await this.#refusal([event], auditRows([event]));
    if (reason !== undefined) await this.#park(recorded, reason);
  }

  /** Takes all of the events, or nothing and says why. */
  async #refusal(events: readonly Event[], rows: AuditRows): Promise<string | undefined> {
    let jobs: readonly JobDetail[];
    let assignments: readonly AssignmentView[];
    await this.#tx.query('savepoint page');
    try {
      await insertAuditRows(this.#tx, rows, this.#partitions);
      jobs = await evolveJobs(events, this.#jobs);
      assignments = await evolveAssignments(events, this.#assignments);
      await this.#jobs.saveEnded(jobs);
      await this.#assignments.saveEnded(assignments);
      await this.#tx.query('release savepoint page');
    } catch (error) {
      await this.#tx.query('rollback to savepoint page');
      return error instanceof Error ? error.message : String(error);
    }
    await this.#jobs.remember(jobs);
    await this.#assignments.remember(assignments);
    return undefined;
  }

  async #park(recorded: RecordedEvent, reason: string): Promise<void> {
    await this.#state.park(this.#tx, recorded, reason);
    this.#parkedStreams.add(recorded.stream);
    this.#parked += 1;
  }
}

const follows = ({ stream }: { readonly stream: string }): string => `follows a parked event of ${stream}`;

/** Pages of the log up to `head`, oldest first; the next one is read and decoded while one is written. */
async function* pagesOf(store: EventStore, head: Position, size: number): AsyncGenerator<Page> {
  const read = async (after: Position): Promise<Page> => {
    const events = (await store.readAll(after, size)).filter(({ position }) => position <= head);
    if (events.length === 0) throw new Error(`expected events up to ${head}, got none after ${after}`);
    return pageOf(events);
  };
  for (let next = head > positionStart ? read(positionStart) : undefined; next !== undefined;) {
    const page = await next;
    const last = page.read.at(-1)?.[0].position ?? head;
    next = last < head ? read(last) : undefined;
    // Whoever awaits it hears of a failure; until then it must not count as one that nobody handles.
    next?.catch(() => undefined);
    yield page;
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
      progress = { ...rebuild.counts(), position: page.read.at(-1)?.[0].position ?? progress.position, head };
      onProgress?.(progress);
    }
    await rebuild.finish();
    await tx.query('update audit.reader_positions set position = $2 where name = $1', [projectorName, head]);
  });
  return progress;
};
