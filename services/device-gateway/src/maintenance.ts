/** What operators do beside the running gateways; behind `npm run parked`. */
import { redriveStream, routesOf } from '@signalbox/bus-nats';
import { withReaderState } from '@signalbox/postgres';
import { projectorConsumers } from './consumers.ts';
import { projector } from './tables/open-assignments.ts';

const reader = (url: string) => ({ url, schema: 'gateway', name: projector });

/** Events that the gateways' projector has put aside, oldest first. */
export const parked = (databaseUrl: string, limit: number) =>
  withReaderState(reader(databaseUrl), (state) => state.parked(limit));

/** Processes the parked events of one stream; what fails stays, with its new reason. Each replica's memory has them when it starts again. */
export const redrive = (databaseUrl: string, stream: string) =>
  withReaderState(reader(databaseUrl), (state) =>
    redriveStream(state, routesOf(projectorConsumers()), stream, () => undefined),
  );
