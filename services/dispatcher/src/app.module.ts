import { type NatsConnection, connectBus } from '@signalbox/bus-nats';
import { leaseLook, readerLooks, schemaLook, serveChecks } from '@signalbox/checks';
import { subjects } from '@signalbox/contracts';
import { type EventStore } from '@signalbox/event-store';
import { serveEventStore } from '@signalbox/event-store-choice';
import {
  type PostgresLeaseRow,
  type PostgresReaderState,
  migrate,
  openLease,
  openPool,
  openReaderState,
} from '@signalbox/postgres';
import { type Kit, type SettingsOf, kitProviders, natsAccess, observeDatabase } from '@signalbox/service-kit';
import type { DynamicModule } from '@nestjs/common';
import type { Pool } from 'pg';
import type { settings } from './config.ts';
import { countPhases } from './tables/queue.ts';
import { migrations } from './tables/migrations.ts';

/** What the dispatcher works with; opened once at start. */
export class Dispatcher {
  readonly pool: Pool;
  readonly nc: NatsConnection;
  readonly store: EventStore;
  readonly state: PostgresReaderState;
  readonly lease: PostgresLeaseRow;
  constructor(parts: Pick<Dispatcher, 'pool' | 'nc' | 'store' | 'state' | 'lease'>) {
    this.pool = parts.pool;
    this.nc = parts.nc;
    this.store = parts.store;
    this.state = parts.state;
    this.lease = parts.lease;
  }
}

export class AppModule {}

/** Opens what the dispatcher needs and registers its closing. */
export const appModule = async (values: SettingsOf<typeof settings>, kit: Kit): Promise<DynamicModule> => {
  const pool = openPool({
    url: values.databaseUrl,
    applicationName: 'signalbox dispatcher',
    onQuery: observeDatabase(kit.metrics),
  });
  kit.lifecycle.onStop('database', () => pool.end());
  const nc = await connectBus({
    ...natsAccess(values, 'dispatcher'),
    name: 'dispatcher',
    waitForServer: true,
  });
  kit.lifecycle.onStop('bus', () => nc.close());
  await migrate(pool, 'dispatcher', migrations);
  const store = await serveEventStore(
    { settings: values, pool, onAppended: () => nc.publish(subjects.relayWake) },
    kit,
  );
  const state = await openReaderState({ pool, schema: 'dispatcher', name: 'dispatcher', durable: false });
  const lease = await openLease({ pool, name: 'dispatcher', holder: kit.replica });
  kit.health.add('database', async () => {
    await pool.query('select 1');
  });
  kit.metrics.gauge('signalbox_open_assignments', 'Open assignments by phase', ['phase'], async (gauge) => {
    const counts = await countPhases(pool);
    for (const phase of ['queued', 'scheduled', 'running'] as const)
      gauge.set({ phase }, counts.get(phase) ?? 0);
  });
  const nowMs = (): number => kit.clock.nowMs();
  await serveChecks({
    kit,
    pool,
    nc,
    looks: [
      ...readerLooks({ state, store, nowMs, parkedAs: 'dispatcher' }),
      leaseLook(pool, lease.name),
      schemaLook(pool, { schema: 'dispatcher', migrations: migrations.map(({ id }) => id) }),
    ],
  });
  const dispatcher = new Dispatcher({ pool, nc, store, state, lease });
  return {
    module: AppModule,
    providers: [...kitProviders(kit), { provide: Dispatcher, useValue: dispatcher }],
  };
};
