import type { EventStore } from '@signalbox/event-store';
import { type Answer, type Clock, answer } from '@signalbox/service-kit';
import { createJob } from './create-job.ts';

/** The calls that the scheduler answers. */
export const calls = (store: EventStore, clock: Clock): readonly Answer[] => [
  answer('createJob', (request, context) => createJob(store, request, context, () => clock.now())),
];
