import { randomUUID } from 'node:crypto';
import { positionStart, type Position, type RecordedEvent } from '@signalbox/contracts';
import type { EventStore } from '@signalbox/event-store';
import { newEvent } from '@signalbox/testkit';

/** Appends one event to each of `count` new jobs, or all to the one job given. */
export const appendEvents = async (
  store: EventStore,
  count: number,
  job?: string,
  padding = '',
): Promise<Position> => {
  let position = positionStart;
  for (let index = 0; index < count; index += 1) {
    const jobId = job ?? randomUUID();
    const version = (await store.read(`job-${jobId}`)).length;
    const body = JSON.stringify({ jobId, reason: 'no longer needed', padding });
    const result = await store.append(`job-${jobId}`, version, [newEvent({ correlationId: jobId, body })]);
    position = result.position;
  }
  return position;
};

/** Every event of a store. */
export const allOf = (store: EventStore): Promise<readonly RecordedEvent[]> =>
  store.readAll(positionStart, 100_000);
