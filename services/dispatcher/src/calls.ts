import type { EventStore } from '@signalbox/event-store';
import { type Answer, type Kit, answer } from '@signalbox/service-kit';
import { cancelJob } from './cancel.ts';

/** The calls that the dispatcher answers, in the replica that leads. */
export const calls = (store: EventStore, { clock, logger }: Kit): readonly Answer[] => [
  answer('cancelJob', async (request, context) => {
    const { jobId } = request;
    const done = await cancelJob(store, request, context, () => clock.now());
    logger.info('cancel asked for', {
      correlationId: jobId,
      jobId,
      principalId: context.actor.id,
      code: done.outcome,
    });
    return done;
  }),
];
