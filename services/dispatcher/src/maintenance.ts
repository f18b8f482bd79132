/** What operators do beside the running dispatcher; behind `npm run parked`. */
import { openPool, openReaderState, redriveParked } from '@signalbox/postgres';
import { consumers } from './consumers.ts';

const withState = async <T>(
  url: string,
  work: (state: Awaited<ReturnType<typeof openReaderState>>) => Promise<T>,
): Promise<T> => {
  const pool = openPool({ url, max: 2, applicationName: 'signalbox dispatcher maintenance' });
  try {
    return await work(
      await openReaderState({ pool, schema: 'dispatcher', name: 'dispatcher', durable: false }),
    );
  } finally {
    await pool.end();
  }
};

/** Events that the dispatcher has put aside, oldest first. */
export const parked = (databaseUrl: string, limit: number) =>
  withState(databaseUrl, (state) => state.parked(limit));

/**
 * Processes the parked events of one stream. Intents that follow are carried out by the running dispatcher's loop.
 *
 * @param leaseMs as the dispatcher's setting SIGNALBOX_DEVICE_LEASE
 */
export const redrive = (databaseUrl: string, stream: string, leaseMs = 60_000) =>
  withState(databaseUrl, (state) =>
    redriveParked(
      state,
      consumers(leaseMs, () => undefined),
      stream,
    ),
  );
