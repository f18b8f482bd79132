import type { EventStore } from '@signalbox/event-store';
import { type Answer, type Clock, answer } from '@signalbox/service-kit';
import { cancelJob } from './cancel.ts';

/** The calls that the dispatcher answers, in the replica that leads. */
export const calls = (store: EventStore, clock: Clock): readonly Answer[] => [
  answer('cancelJob', (request, context) => cancelJob(store, request, context, () => clock.now())),
];
