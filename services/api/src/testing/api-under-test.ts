import { connectBus, startRelay, type NatsConnection } from '@signalbox/bus-nats';
import { type EventStore } from '@signalbox/event-store';
import { openPostgresEventStore } from '@signalbox/event-store-postgres';
import { openPool } from '@signalbox/postgres';
import {
  CallServer,
  Metrics,
  createLogger,
  noTracing,
  type Answer,
  type Service,
} from '@signalbox/service-kit';
import { createDatabase, startTestNats, type TestDatabase, type TestNats } from '@signalbox/testkit';
import type pg from 'pg';
import { start } from '../main.ts';

export const adminKey = 'sbk_admin_0123456789abcdefghijklmnopqrstuv';

/** The api on a real store, relay and bus; other services only as far as a spec answers their calls. */
export interface ApiUnderTest {
  readonly url: string;
  readonly store: EventStore;
  readonly pool: pg.Pool;
  readonly nats: TestNats;
  readonly bus: NatsConnection;
  request(method: string, path: string, options?: RequestOptions): Promise<Response>;
  /** Another replica. */
  another(env?: Record<string, string>): Promise<Service>;
  /** Answers calls in the place of another service, until the end of the spec or until it is closed. */
  answering(service: string, answers: readonly Answer[]): Promise<CallServer>;
  close(): Promise<void>;
}

export interface RequestOptions {
  readonly key?: string | null;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
  readonly signal?: AbortSignal;
}

export const send = (url: string, method: string, options: RequestOptions = {}): Promise<Response> => {
  const { key = adminKey, body, headers = {}, signal } = options;
  return fetch(url, {
    method,
    headers: {
      ...(key === null ? {} : { authorization: `Bearer ${key}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal }),
  });
};

const startCalls = (natsUrl: string, service: string, answers: readonly Answer[]): Promise<CallServer> => {
  const logger = createLogger({ service, level: 'silent' });
  const kit = { logger, tracing: noTracing, metrics: new Metrics(service) };
  const server = new CallServer({ nats: { url: natsUrl }, service, answers, kit });
  return new Promise((resolve, reject) => {
    void server.listen((error) =>
      error === undefined ? resolve(server) : reject(new Error('no NATS', { cause: error })),
    );
  });
};

export const startApiUnderTest = async (): Promise<ApiUnderTest> => {
  const [database, nats]: [TestDatabase, TestNats] = await Promise.all([createDatabase(), startTestNats()]);
  const pool = openPool({ url: database.url, applicationName: 'spec' });
  const bus = await connectBus({ url: nats.url, name: 'spec' });
  const store = await openPostgresEventStore({ pool });
  const relay = startRelay({ nc: bus, store, options: { pollMs: 20 } });
  const env = {
    DATABASE_URL: database.url,
    NATS_URL: nats.url,
    SIGNALBOX_LOG_LEVEL: 'silent',
    SIGNALBOX_BOOTSTRAP_ADMIN_KEY: adminKey,
  };
  const services: Service[] = [await start(env)];
  const url = services[0]?.url ?? '';
  const doubles: CallServer[] = [];
  return {
    url,
    store,
    pool,
    nats,
    bus,
    request: (method, path, options) => send(`${url}${path}`, method, options),
    another: async (more = {}) => {
      const service = await start({ ...env, ...more });
      services.push(service);
      return service;
    },
    answering: async (service, answers) => {
      const server = await startCalls(nats.url, service, answers);
      doubles.push(server);
      return server;
    },
    close: async () => {
      await Promise.all(doubles.map((each) => each.close()));
      await Promise.all(services.map((each) => each.stop()));
      await relay.stop();
      await bus.close();
      await pool.end();
      await Promise.all([database.drop(), nats.close()]);
    },
  };
};
