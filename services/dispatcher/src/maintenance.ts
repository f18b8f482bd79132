/** What operators do beside the running dispatcher; behind `npm run parked`. */
import { redriveStream, routesOf } from '@signalbox/bus-nats';
import { withReaderState } from '@signalbox/postgres';
import { type Env, loadSettings } from '@signalbox/service-kit';
import { settings } from './config.ts';
import { consumers } from './consumers.ts';

const reader = (url: string) => ({ url, schema: 'dispatcher', name: 'dispatcher' });

/** Events that the dispatcher has put aside, oldest first. */
export const parked = (databaseUrl: string, limit: number) =>
  withReaderState(reader(databaseUrl), (state) => state.parked(limit));

/** SIGNALBOX_DEVICE_LEASE alone, for a program beside the dispatcher. @throws SettingsError */
const deviceLeaseMs = (env: Env): number => {
  const table = { deviceLeaseMs: settings.deviceLeaseMs };
  const name = settings.deviceLeaseMs.env;
  return loadSettings(table, { [name]: env[name] }, { service: 'the dispatcher' }).deviceLeaseMs;
};

/**
 * Processes the parked events of one stream; what fails stays, with its new reason. Intents that follow are carried out by the running dispatcher's loop.
 *
 * @param env with SIGNALBOX_DEVICE_LEASE as the dispatcher has it: run deadlines are counted with it
 */
export const redrive = async (databaseUrl: string, stream: string, env: Env) => {
  const leaseMs = deviceLeaseMs(env);
  return withReaderState(reader(databaseUrl), (state) => {
    const routes = routesOf(consumers(leaseMs, () => undefined));
    return redriveStream(state, routes, stream, () => undefined);
  });
};
