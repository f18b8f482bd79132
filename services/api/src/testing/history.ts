import { createHash } from 'node:crypto';
import { deriveId, streams, type Actor, type Fact, type Position } from '@signalbox/contracts';
import { type EventStore, makeEvents } from '@signalbox/event-store';
import { sampleDocument } from '@signalbox/testkit';

const hash = createHash('sha256').update('x').digest('hex');
const actor: Actor = { type: 'principal', id: 'tester' };
const limits = {
  maxAttempts: 1,
  runTimeoutMs: 60_000,
  queueTimeoutMs: 60_000,
  killGraceMs: 1000,
  lostAfterMs: 60_000,
};

/** Facts of a job on one device, as the services would record them. */
export const jobFacts = (jobId: string, targetId: string) => {
  const assignment = { id: `${jobId}-${targetId}`, targetId, agentId: 'agent-1', attempt: 1 };
  const counts = { total: 1, succeeded: 1, failed: 0, timedOut: 0, canceled: 0, rejected: 0 };
  const unchanged = { jobId, result: null, attemptEnd: null, job: null, assignment };
  return {
    created: {
      type: 'JobCreated',
      data: {
        jobId,
        name: 'greet',
        document: sampleDocument(),
        documentHash: hash,
        target: { type: 'device', ids: [targetId] },
        targets: 1,
        notBefore: null,
        priority: 4,
        limits,
        template: null,
        retryOf: null,
        reason: null,
        requestHash: hash,
      },
    },
    assigned: {
      type: 'JobAssigned',
      data: {
        jobId,
        targetId,
        agentId: null,
        attempt: 1,
        maxAttempts: 1,
        runTimeoutMs: 60_000,
        killGraceMs: 1000,
        lostAfterMs: 60_000,
        targets: 1,
        documentHash: hash,
      },
    },
    claimed: {
      type: 'JobStatusChanged',
      data: { ...unchanged, from: 'SCHEDULED', to: 'IN_PROGRESS', reason: { code: 'claimed', message: '' } },
    },
    succeeded: {
      type: 'JobStatusChanged',
      data: {
        ...unchanged,
        from: 'IN_PROGRESS',
        to: 'SUCCEEDED',
        reason: { code: 'completed', message: '' },
        job: { status: 'SUCCEEDED', counts },
      },
    },
  } as const satisfies Record<string, Fact>;
};

/** Appends one fact to the stream where it belongs. */
export const record = async (
  store: EventStore,
  fact: Fact,
  jobId: string,
  targetId: string,
): Promise<Position> => {
  const stream = fact.type === 'JobCreated' ? streams.job(jobId) : streams.assignment(jobId, targetId);
  const before = await store.read(stream);
  const context = {
    commandId: deriveId('spec', stream, before.length),
    actor,
    correlationId: jobId,
    causationId: null,
    now: new Date().toISOString(),
  };
  const events = makeEvents(stream, [fact], context, before.at(-1)?.occurredAt);
  return (await store.append(stream, before.length, events)).position;
};
