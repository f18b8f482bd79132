import type { EventStore } from '@signalbox/event-store';
import { type Answer, type Kit, answer } from '@signalbox/service-kit';
import { createJob } from './create-job.ts';

/** The calls that the scheduler answers. */
export const calls = (store: EventStore, { clock, logger }: Kit): readonly Answer[] => [
  answer('createJob', async (request, context) => {
    const accepted = await createJob(store, request, context, () => clock.now());
    logger.info('job accepted', {
      correlationId: accepted.jobId,
      jobId: accepted.jobId,
      principalId: context.actor.id,
      position: accepted.position,
    });
    return accepted;
  }),
];
