import { UndecodableEvent, decodeEvent, tryDecodeEvent } from '@signalbox/contracts';
import { assignmentViewsFromEvents, jobIdOf, jobViewFromEvents } from '@signalbox/domain';
import { type EventStore, type Verdict, ack, park } from '@signalbox/event-store';
import type pg from 'pg';
import { saveAssignments } from './assignment-rows.ts';
import { auditRows, insertAuditRows } from './audit-rows.ts';
import { saveJobs } from './job-rows.ts';
import { Partitions } from './partitions.ts';
import { openProjectorState } from './rebuild.ts';

/**
 * Folds one job anew from the events that `audit_logs` shows of it. Needed because re-driven events come after later
 * ones of the job's other streams; a fold in order of arrival would not give the row that a rebuild gives.
 */
const refold = async (tx: pg.ClientBase, store: EventStore, jobId: string): Promise<void> => {
  const { rows } = await tx.query<{ position: string; stream: string }>(
    'select position, stream from audit.audit_logs where job_id = $1',
    [jobId],
  );
  const shown = new Set(rows.map(({ position }) => position));
  const streams = [...new Set(rows.map(({ stream }) => stream))];
  const recorded = await Promise.all(streams.map((stream) => store.read(stream)));
  const events = recorded
    .flat()
    .filter((event) => shown.has(event.position))
    .map(decodeEvent);
  const job = jobViewFromEvents(events);
  await saveJobs(tx, job === undefined ? [] : [job]);
  await saveAssignments(tx, assignmentViewsFromEvents(events));
};

export interface ParkedRow {
  readonly position: string;
  readonly stream: string;
  readonly type: string;
  readonly parkedAt: string;
  readonly reason: string;
}

/** Events that the projector has put aside, in order of position. */
export const listParked = async (pool: pg.Pool, limit: number): Promise<readonly ParkedRow[]> => {
  const state = await openProjectorState(pool);
  return (await state.parked(limit)).map(({ event, parkedAt, reason }) => ({
    position: event.position,
    stream: event.stream,
    type: event.type,
    parkedAt,
    reason,
  }));
};

/**
 * Projects the parked events of one stream, in order, up to the first that cannot be projected. The running projector
 * notices within seconds; an event of the stream that it has parked meanwhile needs another call.
 */
export const redriveParked = async (
  pool: pg.Pool,
  store: EventStore,
  stream: string,
): Promise<{ readonly handled: number; readonly left: number }> => {
  const state = await openProjectorState(pool);
  const partitions = new Partitions();
  return state.redrive(stream, async (recorded, tx): Promise<Verdict> => {
    const event = tryDecodeEvent(recorded);
    if (event instanceof UndecodableEvent) return park(event.message);
    try {
      await insertAuditRows(tx, auditRows([event]), partitions);
      const jobId = jobIdOf(event);
      if (jobId !== undefined) await refold(tx, store, jobId);
      return ack;
    } catch (error) {
      return park(error instanceof Error ? error.message : String(error));
    }
  });
};
