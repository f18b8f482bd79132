import type { DynamicModule, Provider } from '@nestjs/common';
import { subjects } from '@signalbox/contracts';
import { connectBus } from '@signalbox/bus-nats';
import { EventStore } from '@signalbox/event-store';
import { serveEventStore } from '@signalbox/event-store-choice';
import { openPool } from '@signalbox/postgres';
import {
  CallClient,
  kitProviders,
  natsAccess,
  RequestLimits,
  type Kit,
  observeDatabase,
} from '@signalbox/service-kit';
import pg from 'pg';
import { DataSource } from 'typeorm';
import { AgentsController } from './agents.controller.ts';
import { SystemChecks, openSystemChecks } from './checks.ts';
import type { ApiSettings } from './config.ts';
import { DocsController } from './docs.controller.ts';
import { EventsController } from './events.controller.ts';
import { Authenticator } from './identity/authenticator.ts';
import { EnrolmentLine } from './identity/enrolment-line.ts';
import { Gate } from './identity/gate.ts';
import { ApiKeys } from './identity/keys.ts';
import { PrincipalLog } from './identity/principal-log.ts';
import { JobLog } from './jobs/job-log.ts';
import { JobViews } from './jobs/job-views.ts';
import { Output } from './jobs/output.ts';
import { JobsController } from './jobs.controller.ts';
import { KeysController } from './keys.controller.ts';
import { LiveController } from './live.controller.ts';
import { LiveBus } from './live/live-bus.ts';
import { SseStreams } from './live/sse.ts';
import { OutputController } from './output.controller.ts';
import { SystemController } from './system.controller.ts';
import { migrateApi, openDataSource } from './tables/database.ts';
import { KeyRows } from './tables/key-rows.ts';

class ApiModule {}

const openDatabase = (settings: ApiSettings, kit: Kit): pg.Pool => {
  const pool = openPool({
    url: settings.databaseUrl,
    max: settings.databaseConnections,
    applicationName: 'signalbox api',
    onQuery: observeDatabase(kit.metrics),
    onError: (error) => kit.logger.warn('a connection to Postgres broke', { error }),
  });
  kit.lifecycle.onStop('postgres', () => pool.end());
  kit.health.add('postgres', async () => {
    await pool.query('select 1');
  });
  return pool;
};

const openTables = async (settings: ApiSettings, kit: Kit, pool: pg.Pool): Promise<DataSource> => {
  const source = await openDataSource({
    url: settings.databaseUrl,
    onError: (error) => kit.logger.warn('a connection to Postgres broke', { error }),
  });
  kit.lifecycle.onStop('keys', () => source.destroy());
  await migrateApi(pool, source);
  return source;
};

const openBus = async (settings: ApiSettings, kit: Kit): Promise<LiveBus> => {
  const access = natsAccess(settings, 'api');
  const connection = await connectBus({ ...access, name: 'api live', waitForServer: true });
  kit.lifecycle.onStop('nats', () => connection.close());
  const bus = new LiveBus(connection, kit.logger);
  kit.health.add('nats', () => {
    if (!bus.isUp()) throw new Error('expected a connection to NATS, got none');
  });
  return bus;
};

const openCalls = async (settings: ApiSettings, kit: Kit): Promise<CallClient> => {
  const calls = new CallClient({ nats: natsAccess(settings, 'api'), service: 'api', clock: kit.clock });
  kit.lifecycle.onStop('calls', () => calls.close());
  await calls.connect();
  return calls;
};

const openStreams = (settings: ApiSettings, kit: Kit): SseStreams => {
  const streams = new SseStreams(settings.maxStreams);
  kit.lifecycle.onDrain('live streams', () => streams.closeAll());
  kit.metrics.gauge('signalbox_api_live_streams', 'Open server-sent event streams', [], (gauge) =>
    gauge.set(streams.count),
  );
  return streams;
};

const resources = (settings: ApiSettings, kit: Kit): Provider[] => [
  ...kitProviders(kit),
  { provide: pg.Pool, useFactory: () => openDatabase(settings, kit) },
  { provide: DataSource, useFactory: (pool: pg.Pool) => openTables(settings, kit, pool), inject: [pg.Pool] },
  { provide: LiveBus, useFactory: () => openBus(settings, kit) },
  { provide: CallClient, useFactory: () => openCalls(settings, kit) },
  { provide: SseStreams, useFactory: () => openStreams(settings, kit) },
  {
    provide: EventStore,
    useFactory: (pool: pg.Pool, bus: LiveBus) =>
      serveEventStore({ settings, pool, onAppended: () => bus.signal(subjects.relayWake) }, kit),
    inject: [pg.Pool, LiveBus],
  },
];

const checks = (settings: ApiSettings, kit: Kit): Provider[] => [
  {
    provide: SystemChecks,
    useFactory: (pool: pg.Pool, bus: LiveBus, _source: DataSource) =>
      openSystemChecks(settings, kit, pool, bus),
    // The data source has migrated schema `api`.
    inject: [pg.Pool, LiveBus, DataSource],
  },
];

const identity = (settings: ApiSettings, kit: Kit): Provider[] => [
  { provide: EnrolmentLine, useValue: new EnrolmentLine(settings) },
  { provide: KeyRows, useFactory: (source: DataSource) => new KeyRows(source), inject: [DataSource] },
  {
    provide: PrincipalLog,
    useFactory: (store: EventStore) => new PrincipalLog(store, kit.clock),
    inject: [EventStore],
  },
  {
    provide: ApiKeys,
    useFactory: (rows: KeyRows, log: PrincipalLog) => new ApiKeys(rows, log),
    inject: [KeyRows, PrincipalLog],
  },
  {
    provide: Authenticator,
    useFactory: (rows: KeyRows) => new Authenticator(rows, kit.clock),
    inject: [KeyRows],
  },
  {
    provide: Gate,
    useFactory: (authenticator: Authenticator, log: PrincipalLog) => {
      const limits = new RequestLimits({ ...settings, perSecond: settings.keyRequestsPerSecond }, kit);
      return new Gate(authenticator, log, limits, kit.logger);
    },
    inject: [Authenticator, PrincipalLog],
  },
];

const jobs = (kit: Kit): Provider[] => [
  { provide: JobLog, useFactory: (store: EventStore) => new JobLog(store), inject: [EventStore] },
  {
    provide: JobViews,
    useFactory: (calls: CallClient, log: JobLog) => new JobViews(calls, log, kit.logger),
    inject: [CallClient, JobLog],
  },
  { provide: Output, useFactory: (calls: CallClient) => new Output(calls), inject: [CallClient] },
];

/** The one module of the api: all that it needs, made by factories. */
export const apiModule = (settings: ApiSettings, kit: Kit): DynamicModule => ({
  module: ApiModule,
  controllers: [
    JobsController,
    OutputController,
    EventsController,
    LiveController,
    AgentsController,
    KeysController,
    SystemController,
    DocsController,
  ],
  providers: [
    ...resources(settings, kit),
    ...identity(settings, kit),
    ...jobs(kit),
    ...checks(settings, kit),
  ],
});
