import type { DynamicModule } from '@nestjs/common';
import { EventsTransport, connectBus } from '@signalbox/bus-nats';
import { leaseLook, readerLooks, schemaLook, serveChecks } from '@signalbox/checks';
import { serveEventStore } from '@signalbox/event-store-choice';
import { openPool } from '@signalbox/postgres';
import { type Kit, type SettingsOf, kitProviders, natsAccess, observeDatabase } from '@signalbox/service-kit';
import type pg from 'pg';
import { DataSource } from 'typeorm';
import type { settings } from './config.ts';
import { PositionWatch } from './position-watch.ts';
import { createProjector } from './projector.ts';
import { migrateAudit, openDataSource } from './tables/database.ts';
import { migrationNames } from './tables/migrations.ts';
import { ensureReaderRole, readerRole } from './tables/reader-role.ts';
import { openProjectorState } from './tables/rebuild.ts';

type Values = SettingsOf<typeof settings>;

const queryConnections = 5;

/** Two pools, so that no query of a person holds back the projector. */
const openDatabase = async (
  { databaseUrl, readerPassword }: Values,
  { lifecycle, logger, health, metrics }: Kit,
): Promise<{ pool: pg.Pool; source: DataSource }> => {
  const onQuery = observeDatabase(metrics);
  const pool = openPool({ url: databaseUrl, max: 4, applicationName: 'signalbox audit', onQuery });
  lifecycle.onStop('database', () => pool.end());
  const onError = (error: unknown): void => logger.warn('a database connection broke', { error });
  const source = await openDataSource({ url: databaseUrl, maxConnections: queryConnections, onError });
  lifecycle.onStop('database queries', () => source.destroy());
  await migrateAudit(pool, source);
  health.add('database', async () => {
    await source.query('select 1');
  });
  const role = await ensureReaderRole(pool, { password: readerPassword });
  if (role === 'no-role')
    logger.warn('the read-only role is missing and may not be made', { detail: readerRole });
  return { pool, source };
};

export class AppModule {}

/** Opens what the audit service needs and registers its closing; the projector competes for its lease once Nest starts it. */
export const appModule = async (values: Values, kit: Kit): Promise<DynamicModule> => {
  const { pool, source } = await openDatabase(values, kit);
  const nc = await connectBus({ ...natsAccess(values, 'audit'), name: 'audit', waitForServer: true });
  kit.lifecycle.onStop('bus', () => nc.close());
  const store = await serveEventStore({ settings: values, pool }, kit);
  const state = await openProjectorState(pool);
  const nowMs = (): number => kit.clock.nowMs();
  await serveChecks({
    kit,
    pool,
    nc,
    looks: [
      ...readerLooks({ state, store, nowMs, parkedAs: 'audit' }),
      leaseLook(pool, state.name),
      schemaLook(pool, { schema: 'audit', migrations: migrationNames, column: 'name' }),
    ],
  });
  const watch = new PositionWatch(() => state.position());
  kit.lifecycle.onDrain('waiting queries', () => watch.stop());
  const { batchSize } = values;
  const projector = await createProjector({ pool, nc, store, state, watch, batchSize, kit });
  return {
    module: AppModule,
    providers: [
      ...kitProviders(kit),
      { provide: DataSource, useValue: source },
      { provide: PositionWatch, useValue: watch },
      { provide: EventsTransport, useValue: projector },
    ],
  };
};
