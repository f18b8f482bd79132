import { type Event, assignmentId } from '@signalbox/contracts';
import type { ClientBase } from 'pg';
import { type QueueRow, evolveRow } from './row.ts';
import { type Touched, lockRows, takeSlots, writeRows } from './tables/queue.ts';

/** Which rows an event is about. */
const touchedBy = (event: Event): { assignmentId?: string; jobId?: string; targetId?: string } => {
  switch (event.type) {
    case 'JobCreated': {
      const targetId = event.data.target.ids[0];
      return targetId === undefined ? {} : { assignmentId: assignmentId(event.data.jobId, targetId) };
    }
    case 'JobAssigned':
    case 'LeaseExpired':
    case 'LeaseResumed':
      return { assignmentId: assignmentId(event.data.jobId, event.data.targetId) };
    case 'JobStatusChanged':
      return event.data.assignment === null ? {} : { assignmentId: event.data.assignment.id };
    case 'JobCancelRequested':
      return { jobId: event.data.jobId };
    case 'DeviceRevoked':
      return { targetId: event.data.deviceId };
    default:
      return {};
  }
};

const touchedByAll = (events: readonly Event[]): Touched => {
  const each = events.map(touchedBy);
  const distinct = (key: 'assignmentId' | 'jobId' | 'targetId') => [
    ...new Set(each.flatMap((touched) => touched[key] ?? [])),
  ];
  return {
    assignmentIds: distinct('assignmentId'),
    jobIds: distinct('jobId'),
    targetIds: distinct('targetId'),
  };
};

/** The rows that one event moves, among those a batch has loaded and made. */
const movedBy = (event: Event, rows: ReadonlyMap<string, QueueRow>): readonly string[] => {
  const touched = touchedBy(event);
  if (touched.assignmentId !== undefined) return [touched.assignmentId];
  return [...rows.values()]
    .filter((row) => row.jobId === touched.jobId || row.targetId === touched.targetId)
    .map((row) => row.assignmentId);
};

/**
 * Brings the queue to where a batch of events leaves it and gives free devices their next assignment, in a handful of
 * statements whatever the size of the batch. Answers the rows with an intent that is to be issued after the commit.
 */
export const applyBatch = async (
  tx: ClientBase,
  events: readonly Event[],
  leaseMs: number,
): Promise<QueueRow[]> => {
  const before = new Map((await lockRows(tx, touchedByAll(events))).map((row) => [row.assignmentId, row]));
  const rows = new Map(before);
  const ended = new Set<string>();
  for (const event of events) {
    for (const id of movedBy(event, rows)) {
      const row = rows.get(id);
      const next = evolveRow(row, event, leaseMs);
      if (next !== undefined) {
        rows.set(id, next);
        ended.delete(id);
      } else if (row !== undefined) {
        rows.delete(id);
        if (before.has(id)) ended.add(id);
      }
    }
  }
  const changed = [...rows.values()].filter((row) => before.get(row.assignmentId) !== row);
  await writeRows(tx, changed, [...ended]);
  const freed = [...ended].map((id) => before.get(id)?.targetId).filter((id) => id !== undefined);
  const waiting = changed.filter((row) => row.phase === 'queued').map((row) => row.targetId);
  const assigned = await takeSlots(tx, [...new Set([...freed, ...waiting])]);
  return [...changed.filter((row) => row.intent !== null), ...assigned];
};
