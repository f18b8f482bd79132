/** What operators do beside the running gateways; behind `npm run parked`. */
import { openPool, openReaderState, redriveParked } from '@signalbox/postgres';
import { projectorConsumers } from './consumers.ts';
import { projector } from './tables/open-assignments.ts';

const withState = async <T>(
  url: string,
  work: (state: Awaited<ReturnType<typeof openReaderState>>) => Promise<T>,
): Promise<T> => {
  const pool = openPool({ url, max: 2, applicationName: 'signalbox device-gateway maintenance' });
  try {
    return await work(await openReaderState({ pool, schema: 'gateway', name: projector, durable: false }));
  } finally {
    await pool.end();
  }
};

/** Events that the gateways' projector has put aside, oldest first. */
export const parked = (databaseUrl: string, limit: number) =>
  withState(databaseUrl, (state) => state.parked(limit));

/** Processes the parked events of one stream. Each replica's memory has them when it starts again. */
export const redrive = (databaseUrl: string, stream: string) =>
  withState(databaseUrl, (state) => redriveParked(state, projectorConsumers(), stream));
