/** Fills the log fast with jobs that have ended: valid events, appended through the store like all others. */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import {
  type DataOf,
  type EventType,
  type NewEvent,
  assignmentId,
  defaultLimits,
  eventTypes,
  streams,
} from '@signalbox/contracts';
import { type EventStore, noStream } from '@signalbox/event-store';
import { openPostgresEventStore } from '@signalbox/event-store-postgres';
import { openPool } from '@signalbox/postgres';
import type pg from 'pg';

/** Jobs whose appends go together: as many as one batch of the store takes. */
const jobsInFlight = 128;
const eventsPerJob = 4;
/** Made-up devices that the jobs are spread over. */
const devices = Array.from({ length: 1_000 }, () => randomUUID());

const service = { type: 'service', id: 'bench' } as const;
const documentHash = 'a'.repeat(64);

const newEvent = <T extends EventType>(type: T, jobId: string, atMs: number, data: DataOf<T>): NewEvent => ({
  id: randomUUID(),
  type,
  version: eventTypes[type].version,
  occurredAt: new Date(atMs).toISOString(),
  actor: service,
  correlationId: jobId,
  causationId: null,
  body: JSON.stringify(data),
});

export const createdOf = (jobId: string, targetId: string): DataOf<'JobCreated'> => ({
  jobId,
  name: 'filled',
  document: { version: '1.0', steps: [{ name: 'a', type: 'runCommand', input: { command: ['true'] } }] },
  documentHash,
  target: { type: 'device', ids: [targetId] },
  targets: 1,
  notBefore: null,
  priority: 4,
  limits: defaultLimits,
  template: null,
  retryOf: null,
  reason: null,
  requestHash: 'b'.repeat(64),
});

export const assignedOf = (jobId: string, targetId: string): DataOf<'JobAssigned'> => ({
  jobId,
  targetId,
  agentId: targetId,
  attempt: 1,
  maxAttempts: 1,
  runTimeoutMs: defaultLimits.runTimeoutMs,
  killGraceMs: defaultLimits.killGraceMs,
  lostAfterMs: defaultLimits.lostAfterMs,
  targets: 1,
  documentHash,
});

export const claimedOf = (jobId: string, targetId: string): DataOf<'JobStatusChanged'> => ({
  jobId,
  from: 'SCHEDULED',
  to: 'IN_PROGRESS',
  reason: { code: 'claimed', message: 'claimed by the agent' },
  assignment: { id: assignmentId(jobId, targetId), targetId, agentId: targetId, attempt: 1 },
  result: null,
  attemptEnd: null,
  job: null,
});

export const endedOf = (jobId: string, targetId: string): DataOf<'JobStatusChanged'> => ({
  ...claimedOf(jobId, targetId),
  from: 'IN_PROGRESS',
  to: 'SUCCEEDED',
  reason: { code: 'completed', message: '' },
  result: {
    exitCode: 0,
    signal: null,
    executedSteps: 1,
    failedStep: null,
    outputBytes: 5,
    outputHash: 'c'.repeat(64),
  },
  job: {
    status: 'SUCCEEDED',
    counts: { total: 1, succeeded: 1, failed: 0, timedOut: 0, canceled: 0, rejected: 0 },
  },
});

/** Four events of one job, a millisecond apart; those of the assignment go together. */
const appendJob = async (store: EventStore, number: number): Promise<void> => {
  const jobId = randomUUID();
  const targetId = devices[number % devices.length] ?? '';
  const atMs = Date.now();
  await Promise.all([
    store.append(streams.job(jobId), noStream, [
      newEvent('JobCreated', jobId, atMs, createdOf(jobId, targetId)),
    ]),
    store.append(streams.assignment(jobId, targetId), noStream, [
      newEvent('JobAssigned', jobId, atMs + 1, assignedOf(jobId, targetId)),
      newEvent('JobStatusChanged', jobId, atMs + 2, claimedOf(jobId, targetId)),
      newEvent('JobStatusChanged', jobId, atMs + 3, endedOf(jobId, targetId)),
    ]),
  ]);
};

const readPositions = `
  select position::text as position from events.published
  union all select position::text from audit.reader_positions
  union all select position::text from dispatcher.reader_positions
  union all select position::text from gateway.reader_positions`;

/** Resolves when the relay has published the whole log and every projection has it. */
const allFollowed = async (pool: pg.Pool, store: EventStore): Promise<void> => {
  const head = BigInt(await store.head());
  for (;;) {
    const { rows } = await pool.query<{ position: string }>(readPositions);
    if (rows.every(({ position }) => BigInt(position) >= head)) return;
    await pause(100);
  }
};

const countEvents = async (pool: pg.Pool): Promise<number> => {
  const { rows } = await pool.query<{ count: string }>('select count(*) as count from events.log');
  return Number(rows[0]?.count);
};

export interface Filled {
  /** Events in the log at the end. */
  readonly events: number;
  readonly appendedPerSecond: number;
  /** From the first append until relay and all projections had everything. */
  readonly followedPerSecond: number;
}

/** Brings the log to at least this many events; relay and projections follow on their usual way, and are awaited. */
export const fillLog = async (databaseUrl: string, events: number): Promise<Filled> => {
  const pool = openPool({ url: databaseUrl, applicationName: 'bench' });
  try {
    const store = await openPostgresEventStore({ pool });
    const begun = performance.now();
    const missing = Math.max(0, events - (await countEvents(pool)));
    const jobs = Math.ceil(missing / eventsPerJob);
    let next = 0;
    const append = async (): Promise<void> => {
      while (next < jobs) await appendJob(store, next++);
    };
    await Promise.all(Array.from({ length: jobsInFlight }, append));
    const perSecond = (): number => (jobs * eventsPerJob * 1000) / (performance.now() - begun);
    const appendedPerSecond = perSecond();
    await allFollowed(pool, store);
    return { events: await countEvents(pool), appendedPerSecond, followedPerSecond: perSecond() };
  } finally {
    await pool.end();
  }
};
