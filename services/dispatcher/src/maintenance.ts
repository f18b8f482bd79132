/** What operators do beside the running dispatcher; behind `npm run parked`. */
import { redriveParked, withReaderState } from '@signalbox/postgres';
import { consumers } from './consumers.ts';

const reader = (url: string) => ({ url, schema: 'dispatcher', name: 'dispatcher' });

/** Events that the dispatcher has put aside, oldest first. */
export const parked = (databaseUrl: string, limit: number) =>
  withReaderState(reader(databaseUrl), (state) => state.parked(limit));

/**
 * Processes the parked events of one stream. Intents that follow are carried out by the running dispatcher's loop.
 *
 * @param leaseMs as the dispatcher's setting SIGNALBOX_DEVICE_LEASE
 */
export const redrive = (databaseUrl: string, stream: string, leaseMs = 60_000) =>
  withReaderState(reader(databaseUrl), (state) => {
    const again = consumers(leaseMs, () => undefined);
    return redriveParked(state, again, stream);
  });
