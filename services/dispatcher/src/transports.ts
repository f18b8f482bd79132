import { EventsTransport } from '@signalbox/bus-nats';
import type { Leadership, Running } from '@signalbox/event-store';
import { lead } from '@signalbox/postgres';
import {
  CallServer,
  type Kit,
  type SettingsOf,
  natsAccess,
  observeReader,
  observedEvents,
} from '@signalbox/service-kit';
import type { CustomTransportStrategy } from '@nestjs/microservices';
import type { Dispatcher } from './app.module.ts';
import { calls } from './calls.ts';
import type { settings } from './config.ts';
import { consumers } from './consumers.ts';
import { Issuer } from './issuer.ts';

/**
 * The dispatcher decides in one replica: the holder of the lease reads events, carries intents out and answers calls; the
 * others stand by and are not subscribed.
 */
export const transports = (
  dispatcher: Dispatcher,
  kit: Kit,
  values: SettingsOf<typeof settings>,
): readonly CustomTransportStrategy[] => {
  const { pool, nc, store, state, lease } = dispatcher;
  const { logger, clock } = kit;
  let issuer: Issuer | undefined;
  const answers = calls(store, kit);
  const server = new CallServer({
    nats: natsAccess(values, 'dispatcher'),
    service: 'dispatcher',
    answers,
    kit,
    held: true,
  });

  const term = async (start: () => Promise<Running>): Promise<Running> => {
    const current = new Issuer({
      store,
      pool,
      logger,
      tracing: kit.tracing,
      now: () => clock.now(),
      tickMs: values.tickMs,
      isFollowing: () => events.reader()?.status().activity === 'following',
      settleMs: values.deviceLeaseMs,
    });
    issuer = current;
    const reader = await start();
    current.start();
    server.release();
    return {
      stop: async () => {
        await server.hold();
        issuer = undefined;
        await reader.stop();
        await current.stop();
      },
    };
  };
  const run = (start: (fail?: (error: unknown) => void) => Promise<Running>): Leadership =>
    lead({
      lease,
      onLead: (leading) => term(() => start((error) => leading.fail(error))),
      onError: (error) => logger.warn('dispatcher leadership failed and tries again', { error }),
    });
  const events = new EventsTransport({
    name: 'dispatcher',
    nc,
    store,
    state,
    consumers: consumers(values.deviceLeaseMs, (rows) => issuer?.issue(rows)),
    log: logger,
    on: { handled: observedEvents(kit, 'dispatcher') },
    run,
  });
  observeReader(kit, 'dispatcher', () => events.reader());
  return [server, events];
};
