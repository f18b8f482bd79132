/** Event store, relay, NATS and audit services as they run together, for specs. */
import { type Relay, connectBus, startRelay } from '@signalbox/bus-nats';
import { subjects } from '@signalbox/contracts';
import { type PostgresEventStore, openPostgresEventStore } from '@signalbox/event-store-postgres';
import { openPool } from '@signalbox/postgres';
import { CallClient, type Service, systemClock } from '@signalbox/service-kit';
import { type TestNats, createDatabase, startTestNats } from '@signalbox/testkit';
import type pg from 'pg';
import { start } from '../main.ts';

export interface Stack {
  readonly databaseUrl: string;
  readonly nats: TestNats;
  readonly pool: pg.Pool;
  readonly store: PostgresEventStore;
  readonly relay: Relay;
  readonly client: CallClient;
  /** One more replica of the audit service. */
  readonly startAudit: () => Promise<Service>;
  readonly close: () => Promise<void>;
}

export const startStack = async (): Promise<Stack> => {
  const [database, nats] = await Promise.all([createDatabase(), startTestNats()]);
  const pool = openPool({ url: database.url, applicationName: 'audit spec' });
  const nc = await connectBus({ url: nats.url, name: 'audit spec', reconnectWaitMs: 50 });
  const onAppended = (): void => {
    if (!nc.isClosed()) nc.publish(subjects.relayWake);
  };
  const store = await openPostgresEventStore({ pool, onAppended });
  const relay = startRelay({ nc, store });
  const client = new CallClient({ nats: { url: nats.url }, service: 'audit spec', clock: systemClock });
  const services: Service[] = [];
  return {
    databaseUrl: database.url,
    nats,
    pool,
    store,
    relay,
    client,
    startAudit: async () => {
      const service = await start({
        DATABASE_URL: database.url,
        NATS_URL: nats.url,
        SIGNALBOX_LOG_LEVEL: 'fatal',
        SIGNALBOX_AUDIT_BATCH_SIZE: '50',
      });
      services.push(service);
      return service;
    },
    close: async () => {
      await client.close();
      await Promise.all(services.map((service) => service.stop()));
      await relay.stop();
      await nc.close();
      await pool.end();
      await nats.close();
      await database.drop();
    },
  };
};

/** Every row of the projection as text, in a fixed order. */
export const allRows = async (pool: pg.Pool): Promise<Readonly<Record<string, readonly string[]>>> => {
  const read = async (table: string, order: string): Promise<readonly string[]> => {
    const { rows } = await pool.query<{ row: string }>(
      `select to_jsonb(t)::text as row from audit.${table} t order by ${order}`,
    );
    return rows.map(({ row }) => row);
  };
  return {
    logs: await read('audit_logs', 'position'),
    jobs: await read('job_rows', 'job_id'),
    assignments: await read('assignment_rows', 'assignment_id'),
  };
};
