import { subjects } from '@signalbox/contracts';
import { type NatsConnection, type Relay, connectBus, startRelay } from '@signalbox/bus-nats';
import { serveChecks } from '@signalbox/checks';
import { serveEventStore } from '@signalbox/event-store-choice';
import { EventStore } from '@signalbox/event-store';
import { lead, openLease, openPool } from '@signalbox/postgres';
import {
  type Kit,
  type SettingsOf,
  kitProviders,
  natsAccess,
  observeDatabase,
  observeRelay,
} from '@signalbox/service-kit';
import type { DynamicModule } from '@nestjs/common';
import { looks } from './checks.ts';
import { type settings, relayAccess } from './config.ts';

/** Runs in the one replica that holds the lease `relay`, over a NATS connection of its own. */
const startLeadingRelay = async (
  pool: Parameters<typeof openLease>[0]['pool'],
  store: EventStore,
  values: SettingsOf<typeof settings>,
  kit: Kit,
): Promise<NatsConnection> => {
  const nc = await connectBus({ ...relayAccess(values), name: 'relay', waitForServer: true });
  kit.lifecycle.onStop('relay connection', () => nc.close());
  const published = observeRelay(kit);
  let relay: Relay | undefined;
  const leadership = lead({
    lease: await openLease({ pool, name: 'relay', holder: kit.replica }),
    onLead: (term) => {
      relay = startRelay({
        nc,
        store,
        lease: { stillHeld: () => term.holds() },
        options: { maxAgeMs: values.eventsMaxAgeMs, replicas: values.eventsReplicas },
        on: {
          published,
          error: (error) => kit.logger.warn('relay failed and tries again', { error }),
          status: ({ halted }) => {
            if (halted !== undefined)
              kit.logger.error('relay halted', { code: halted.reason, detail: halted.detail });
          },
        },
      });
      return Promise.resolve(relay);
    },
    onError: (error) => kit.logger.warn('relay leadership failed and tries again', { error }),
  });
  kit.lifecycle.onStop('relay', () => leadership.stop());
  kit.health.add('relay', () => {
    const halted = leadership.isLeader() ? relay?.status().halted : undefined;
    if (halted !== undefined) throw new Error(`${halted.reason}: ${halted.detail}`);
  });
  kit.metrics.gauge('signalbox_relay_active', '1 in the replica whose relay publishes', [], (gauge) =>
    gauge.set(leadership.isLeader() ? 1 : 0),
  );
  return nc;
};

export class AppModule {}

/** Opens what the scheduler needs and registers its closing; the relay competes for its lease from now on. */
export const appModule = async (values: SettingsOf<typeof settings>, kit: Kit): Promise<DynamicModule> => {
  const pool = openPool({
    url: values.databaseUrl,
    applicationName: 'signalbox scheduler',
    onQuery: observeDatabase(kit.metrics),
  });
  kit.lifecycle.onStop('database', () => pool.end());
  const nc = await connectBus({ ...natsAccess(values, 'scheduler'), name: 'scheduler', waitForServer: true });
  kit.lifecycle.onStop('bus', () => nc.close());
  const onAppended = (): void => nc.publish(subjects.relayWake);
  const store = await serveEventStore({ settings: values, pool, onAppended }, kit);
  kit.health.add('database', async () => {
    await pool.query('select 1');
  });
  const relayBus = await startLeadingRelay(pool, store, values, kit);
  await serveChecks({ kit, pool, nc, looks: looks({ pool, relayBus, store, values, kit }) });
  return { module: AppModule, providers: [...kitProviders(kit), { provide: EventStore, useValue: store }] };
};
