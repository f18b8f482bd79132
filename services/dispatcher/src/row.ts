import { type Event, assignmentId, isEnd } from '@signalbox/contracts';

/** What the dispatcher means to do with an assignment; stays in its row until the log shows the effect. */
export type Intent = 'assign' | 'cancel' | 'queue-timeout' | 'run-timeout' | 'lost' | 'revoke';

export type Phase = 'queued' | 'scheduled' | 'running';

/** Facts of a job that every attempt on this target needs. */
export interface RowFacts {
  readonly maxAttempts: number;
  readonly runTimeoutMs: number;
  readonly queueTimeoutMs: number;
  readonly killGraceMs: number;
  readonly lostAfterMs: number;
  readonly targets: number | null;
  readonly documentHash: string;
}

/**
 * An open assignment as the dispatcher's queue knows it. Rows are derived from events; ended assignments have none.
 *
 *     queued ──(intent assign)──▶ scheduled ──▶ running ──▶ gone
 *        ▲                                        │
 *        └────────── another attempt ─────────────┘
 */
export interface QueueRow {
  readonly assignmentId: string;
  readonly jobId: string;
  readonly targetId: string;
  readonly phase: Phase;
  /** Attempts that were assigned so far. */
  readonly attempts: number;
  readonly facts: RowFacts;
  readonly priority: number;
  /** Position of `JobCreated`: first in, first out within a priority. */
  readonly position: string;
  readonly notBefore: string;
  readonly queueDeadline: string;
  readonly runDeadline: string | null;
  readonly lostDeadline: string | null;
  readonly cancelRequested: boolean;
  readonly intent: Intent | null;
  /** The event that the next step follows from. */
  readonly causeId: string;
  readonly causeAt: string;
  readonly traceparent: string | null;
}

const later = (instant: string, ms: number): string => new Date(Date.parse(instant) + ms).toISOString();

const created = (event: Event<'JobCreated'>): QueueRow | undefined => {
  const { jobId, target, limits, notBefore, documentHash, targets, priority } = event.data;
  const targetId = target.ids[0];
  if (targetId === undefined) return undefined;
  const start = notBefore ?? event.recordedAt;
  const { maxAttempts, runTimeoutMs, queueTimeoutMs, killGraceMs, lostAfterMs } = limits;
  return {
    assignmentId: assignmentId(jobId, targetId),
    jobId,
    targetId,
    phase: 'queued',
    attempts: 0,
    facts: { maxAttempts, runTimeoutMs, queueTimeoutMs, killGraceMs, lostAfterMs, targets, documentHash },
    priority,
    position: event.position,
    notBefore: start,
    queueDeadline: later(start > event.recordedAt ? start : event.recordedAt, queueTimeoutMs),
    runDeadline: null,
    lostDeadline: null,
    cancelRequested: false,
    intent: null,
    causeId: event.id,
    causeAt: event.occurredAt,
    traceparent: event.traceparent ?? null,
  };
};

const causedBy = (row: QueueRow, event: Event): QueueRow => ({
  ...row,
  causeId: event.id,
  causeAt: event.occurredAt,
});

const changed = (row: QueueRow, event: Event<'JobStatusChanged'>, leaseMs: number): QueueRow | undefined => {
  const { to } = event.data;
  if (isEnd(to)) return undefined;
  const { runTimeoutMs, killGraceMs, queueTimeoutMs } = row.facts;
  if (to === 'IN_PROGRESS') {
    const runDeadline = later(event.recordedAt, runTimeoutMs + killGraceMs + leaseMs);
    const intent = row.intent === 'revoke' ? row.intent : null;
    return causedBy({ ...row, phase: 'running', intent, runDeadline, lostDeadline: null }, event);
  }
  if (to !== 'QUEUED') return row;
  return causedBy(
    {
      ...row,
      phase: 'queued',
      runDeadline: null,
      lostDeadline: null,
      queueDeadline: later(event.recordedAt, queueTimeoutMs),
      intent: row.intent === 'revoke' ? row.intent : row.cancelRequested ? 'cancel' : null,
    },
    event,
  );
};

/**
 * Deadlines count from `recordedAt`, which is the database's clock like the `now()` that they are compared with.
 *
 * The row after one more event; undefined where the assignment has ended or is none of ours.
 *
 * @param leaseMs a device's lease: the dispatcher ends an attempt only one lease after the agent should have
 */
export const evolveRow = (row: QueueRow | undefined, event: Event, leaseMs: number): QueueRow | undefined => {
  if (event.type === 'JobCreated') return row ?? created(event);
  if (row === undefined) return undefined;
  switch (event.type) {
    case 'JobAssigned': {
      const { attempt } = event.data;
      const intent = row.intent === 'assign' ? null : row.intent;
      const next = intent === null && row.cancelRequested ? 'cancel' : intent;
      return causedBy({ ...row, phase: 'scheduled', attempts: attempt, intent: next }, event);
    }
    case 'JobStatusChanged':
      return changed(row, event, leaseMs);
    case 'LeaseExpired':
      return causedBy({ ...row, lostDeadline: later(event.recordedAt, row.facts.lostAfterMs) }, event);
    case 'LeaseResumed':
      return causedBy(
        { ...row, lostDeadline: null, intent: row.intent === 'lost' ? null : row.intent },
        event,
      );
    case 'JobCancelRequested': {
      const asked = { ...row, cancelRequested: true };
      return row.phase === 'running' ? asked : causedBy({ ...asked, intent: 'cancel' }, event);
    }
    case 'DeviceRevoked':
      return causedBy({ ...row, intent: 'revoke' }, event);
    default:
      return row;
  }
};
