import { type Event, assignmentId } from '@signalbox/contracts';
import type { ClientBase } from 'pg';
import { type QueueRow, evolveRow } from './row.ts';
import { type Touched, lockRows, revokedAmong, takeSlots, writeRows } from './tables/queue.ts';

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

/** A batch's effect on the rows, in memory. */
class Change {
  readonly rows: Map<string, QueueRow>;
  readonly before: ReadonlyMap<string, QueueRow>;
  readonly ended = new Set<string>();
  readonly requeued = new Set<string>();
  readonly revoked: Set<string>;
  readonly #leaseMs: number;

  constructor(before: readonly QueueRow[], revoked: ReadonlySet<string>, leaseMs: number) {
    this.before = new Map(before.map((row) => [row.assignmentId, row]));
    this.rows = new Map(this.before);
    this.revoked = new Set(revoked);
    this.#leaseMs = leaseMs;
  }

  apply(event: Event): void {
    if (event.type === 'DeviceRevoked') this.revoked.add(event.data.deviceId);
    for (const id of movedBy(event, this.rows)) this.#move(id, event);
  }

  /** Rows that are not what they were. */
  changed(): readonly QueueRow[] {
    return [...this.rows.values()].filter((row) => this.before.get(row.assignmentId) !== row);
  }

  #move(id: string, event: Event): void {
    const row = this.rows.get(id);
    const evolved = evolveRow(row, event, this.#leaseMs);
    const next =
      evolved !== undefined && row === undefined && this.revoked.has(evolved.targetId)
        ? { ...evolved, intent: 'revoke' as const }
        : evolved;
    if (next === undefined) {
      this.rows.delete(id);
      if (row !== undefined) this.ended.add(id);
      return;
    }
    this.rows.set(id, next);
    if (event.type === 'JobStatusChanged' && next.phase === 'queued') this.requeued.add(id);
    if (next.phase === 'scheduled') this.requeued.delete(id);
  }
}

const hadSlot = (row: QueueRow | undefined): boolean =>
  row !== undefined && (row.intent === 'assign' || row.phase !== 'queued');

const deviceOf = (event: Event): string | undefined =>
  event.type === 'JobCreated' ? event.data.target.ids[0] : undefined;

/**
 * Brings the queue to where a batch of events leaves it and gives free devices their next assignment, in a handful of
 * statements whatever the size of the batch. Answers the rows with an intent that is to be issued after the commit.
 */
export const applyBatch = async (
  tx: ClientBase,
  events: readonly Event[],
  leaseMs: number,
): Promise<QueueRow[]> => {
  const devices = [...new Set(events.flatMap((event) => deviceOf(event) ?? []))];
  const rows = await lockRows(tx, touchedByAll(events));
  const revoked = devices.length === 0 ? new Set<string>() : await revokedAmong(tx, devices);
  const change = new Change(rows, revoked, leaseMs);
  for (const event of events) change.apply(event);
  const changed = change.changed();
  const ended = [...change.ended];
  const revokedDevices = events.flatMap((event) =>
    event.type === 'DeviceRevoked' ? [event.data.deviceId] : [],
  );
  const held = changed.filter(
    (row) => row.phase === 'scheduled' && !hadSlot(change.before.get(row.assignmentId)),
  );
  await writeRows(tx, { rows: changed, ended, freed: [...ended, ...change.requeued], held, revokedDevices });
  const freed = ended.flatMap((id) => change.before.get(id)?.targetId ?? []);
  const waiting = changed.filter((row) => row.phase === 'queued').map((row) => row.targetId);
  const assigned = await takeSlots(tx, [...new Set([...freed, ...waiting])]);
  return [...changed.filter((row) => row.intent !== null), ...assigned];
};
