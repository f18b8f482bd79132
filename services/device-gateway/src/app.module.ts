import { type NatsConnection, connectBus } from '@signalbox/bus-nats';
import { serveChecks } from '@signalbox/checks';
import { subjects } from '@signalbox/contracts';
import { type EventStore } from '@signalbox/event-store';
import { serveEventStore } from '@signalbox/event-store-choice';
import { type PostgresReaderState, migrate, openPool, openReaderState } from '@signalbox/postgres';
import {
  type Kit,
  RequestLimits,
  type SettingsOf,
  kitProviders,
  natsAccess,
  observeDatabase,
} from '@signalbox/service-kit';
import type { DynamicModule } from '@nestjs/common';
import type { Pool } from 'pg';
import { AgentDoor } from './agent-door.ts';
import { AgentController } from './agent.controller.ts';
import { looks } from './checks.ts';
import type { settings } from './config.ts';
import { Credentials } from './credentials.ts';
import { JobDocuments } from './job-documents.ts';
import { OpenAssignments } from './open-assignments.ts';
import { Output } from './output.ts';
import { keepEvidence } from './tables/evidence.ts';
import { Leases } from './tables/leases.ts';
import { migrations } from './tables/migrations.ts';
import { projector } from './tables/open-assignments.ts';
import { OutputTable } from './tables/output.ts';

/** What the gateway's parts share; opened once at start. */
export class Gateway {
  readonly pool: Pool;
  readonly nc: NatsConnection;
  readonly store: EventStore;
  /** Of the projector, which is active in one replica. */
  readonly state: PostgresReaderState;
  readonly open = new OpenAssignments();
  readonly documents: JobDocuments;
  readonly credentials: Credentials;
  readonly leases: Leases;
  readonly output: Output;
  readonly outputTable: OutputTable;

  constructor({ pool, nc, store, state }: Pick<Gateway, 'pool' | 'nc' | 'store' | 'state'>) {
    this.pool = pool;
    this.nc = nc;
    this.store = store;
    this.state = state;
    this.documents = new JobDocuments(store);
    this.credentials = new Credentials(pool, () => performance.now());
    this.leases = new Leases(pool);
    this.outputTable = new OutputTable(pool);
    this.output = new Output(this.outputTable, (jobId) => nc.publish(subjects.outputGrown(jobId)));
  }

  /** Empties what the follower has filled, because it begins anew. */
  forget(): void {
    this.open.clear();
    this.documents.clear();
    this.credentials.clear();
  }
}

const doorOf = (gateway: Gateway, values: SettingsOf<typeof settings>, kit: Kit): AgentDoor => {
  const { clock, logger, tracing } = kit;
  const now = (): string => clock.now();
  const { pool, store, open, documents, credentials, leases, output } = gateway;
  return new AgentDoor({
    attempts: {
      store,
      open,
      documents,
      leases,
      output,
      tracing,
      agentTracing: tracing.as('agent'),
      now,
      isRevoked: (agentId) => credentials.isRevoked(agentId),
      leaseMs: (kind) => (kind === 'device' ? values.deviceLeaseMs : values.workerLeaseMs),
      onError: (message, error) => logger.warn(message, { error }),
      keepEvidence: (agent, ref, kind, detail) => keepEvidence(pool, agent, ref, kind, detail),
    },
    enrolment: { pool, store, credentials, now },
    credentials,
    limits: new RequestLimits({ ...values, perSecond: values.agentRequestsPerSecond }, kit),
    logger,
  });
};

export class AppModule {}

/** Opens what the gateway needs and registers its closing. */
export const appModule = async (values: SettingsOf<typeof settings>, kit: Kit): Promise<DynamicModule> => {
  const pool = openPool({
    url: values.databaseUrl,
    applicationName: 'signalbox device-gateway',
    max: 16,
    onQuery: observeDatabase(kit.metrics),
  });
  kit.lifecycle.onStop('database', () => pool.end());
  const nc = await connectBus({
    ...natsAccess(values, 'device-gateway'),
    name: 'device-gateway',
    waitForServer: true,
  });
  kit.lifecycle.onStop('bus', () => nc.close());
  await migrate(pool, 'gateway', migrations);
  const store = await serveEventStore(
    { settings: values, pool, onAppended: () => nc.publish(subjects.relayWake) },
    kit,
  );
  const state = await openReaderState({ pool, schema: 'gateway', name: projector, durable: false });
  const gateway = new Gateway({ pool, nc, store, state });
  await serveChecks({ kit, pool, nc, looks: looks(gateway, kit) });
  kit.lifecycle.onDrain('long polls', () => gateway.open.drain());
  kit.health.add('database', async () => {
    await pool.query('select 1');
  });
  kit.metrics.gauge('signalbox_gateway_open_attempts', 'Attempts that may be claimed or run', [], (gauge) =>
    gauge.set(gateway.open.size),
  );
  kit.metrics.gauge('signalbox_gateway_waiting_polls', 'Long polls that wait', [], (gauge) =>
    gauge.set(gateway.open.waiting),
  );
  return {
    module: AppModule,
    controllers: [AgentController],
    providers: [
      ...kitProviders(kit),
      { provide: Gateway, useValue: gateway },
      { provide: AgentDoor, useValue: doorOf(gateway, values, kit) },
    ],
  };
};
