import type { Event } from '@signalbox/contracts';
import { type Consumer, type Handler, ack, gather } from '@signalbox/event-store';
import type { PoolClient } from 'pg';
import type { Credentials } from './credentials.ts';
import type { JobDocuments } from './job-documents.ts';
import type { OpenAssignments } from './open-assignments.ts';
import { confirmAgent, revokeAgentRow } from './tables/agents.ts';
import { projectOpen } from './tables/open-assignments.ts';

/** What the one elected projector consumes: it keeps `gateway.open_assignments` and confirms enrolments. */
export const projectorConsumers = (): readonly Consumer<PoolClient>[] => {
  const project = gather<PoolClient>('open assignments', (events, batch) => projectOpen(batch.tx, events));
  return [
    { type: 'JobAssigned', handler: project },
    { type: 'JobStatusChanged', handler: project },
    { type: 'JobCancelRequested', handler: project },
    { type: 'LeaseExpired', handler: project },
    { type: 'LeaseResumed', handler: project },
    { type: 'DeviceEnrolled', handler: confirmEnrolment },
    { type: 'DeviceRevoked', handler: confirmRevocation },
  ];
};

const confirmEnrolment: Handler<PoolClient> = async (event, { tx }) => {
  if (event.type === 'DeviceEnrolled') {
    await confirmAgent(tx, event.data.agentId, event.data.tokenId, event.occurredAt);
  }
  return ack;
};

const confirmRevocation: Handler<PoolClient> = async (event, { tx }) => {
  if (event.type === 'DeviceRevoked') await revokeAgentRow(tx, event.data.agentId, event.occurredAt);
  return ack;
};

/** What the follower of every replica consumes into memory: polls are answered from there. */
export const followerConsumers = (memory: {
  readonly open: OpenAssignments;
  readonly documents: JobDocuments;
  readonly credentials: Credentials;
}): readonly Consumer<undefined>[] => {
  const { open, documents, credentials } = memory;
  const apply: Handler<undefined> = (event) => {
    open.apply(event);
    return ack;
  };
  const handle =
    (work: (event: Event) => void): Handler<undefined> =>
    (event) => {
      work(event);
      return ack;
    };
  return [
    {
      type: 'JobCreated',
      handler: handle((event) => {
        if (event.type === 'JobCreated') documents.put(event.data);
      }),
    },
    { type: 'JobAssigned', handler: apply },
    {
      type: 'JobStatusChanged',
      handler: handle((event) => {
        open.apply(event);
        if (event.type === 'JobStatusChanged' && event.data.job !== null) documents.drop(event.data.jobId);
      }),
    },
    {
      type: 'JobCancelRequested',
      handler: handle((event) => {
        open.apply(event);
        if (event.type === 'JobCancelRequested') documents.drop(event.data.jobId);
      }),
    },
    { type: 'LeaseExpired', handler: apply },
    { type: 'LeaseResumed', handler: apply },
    {
      type: 'DeviceRevoked',
      handler: handle((event) => {
        if (event.type === 'DeviceRevoked') credentials.revoke(event.data.agentId);
      }),
    },
  ];
};
