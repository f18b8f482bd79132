import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Agent, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { type NatsConnection, type Relay, connectBus, startRelay } from '@signalbox/bus-nats';
import { agentPrefix } from '@signalbox/contracts';
import { openPostgresEventStore } from '@signalbox/event-store-postgres';
import { openPool, transaction } from '@signalbox/postgres';
import { type TestDatabase, type TestNats, createDatabase, startTestNats } from '@signalbox/testkit';
import type pg from 'pg';
import { hashSecret, newSecret } from './credentials.ts';
import { start } from './main.ts';
import { confirmAgent, insertAgent } from './tables/agents.ts';

const polls = 10_000;
const inFlight = 50;

let database: TestDatabase;
let nats: TestNats;
let pool: pg.Pool;
let nc: NatsConnection;
let relay: Relay;

beforeEach(async () => {
  [database, nats] = await Promise.all([createDatabase(), startTestNats()]);
  pool = openPool({ url: database.url, applicationName: 'spec' });
  nc = await connectBus({ url: nats.url, name: 'spec' });
  relay = startRelay({ nc, store: await openPostgresEventStore({ pool }) });
});

afterEach(async () => {
  await relay.stop();
  await nc.close();
  await pool.end();
  await Promise.all([database.drop(), nats.close()]);
});

const enrolAgent = async (): Promise<string> => {
  const credential = newSecret('sba');
  const row = {
    agentId: 'pi',
    kind: 'device',
    deviceId: 'pi',
    tokenId: '00000000-0000-4000-8000-000000000000',
    name: 'pi',
    agentVersion: '1',
    os: 'linux',
    architecture: 'arm64',
    properties: {},
    credentialHash: hashSecret(credential),
  } as const;
  await transaction(pool, (tx) => insertAgent(tx, row));
  await confirmAgent(pool, 'pi', '00000000-0000-4000-8000-000000000000', '2026-01-01T00:00:00.000Z');
  return credential;
};

const pollOnce = (url: string, credential: string, agent: Agent): Promise<string> =>
  new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${credential}`, 'content-type': 'application/json' };
    const asked = request(`${url}${agentPrefix}/poll`, { method: 'POST', headers, agent }, (answer) => {
      void text(answer).then(resolve, reject);
    });
    asked.once('error', reject);
    asked.end('{"waitMs":0}');
  });

/** Transactions of this database so far. Sessions that have ended have told of all of theirs. */
const transactions = async (): Promise<number> => {
  const { rows } = await pool.query<{ count: string }>(
    'select xact_commit + xact_rollback as count from pg_stat_database where datname = current_database()',
  );
  return Number(rows[0]?.count);
};

describe('ten thousand empty polls over HTTP', () => {
  it('make no transaction in the database', async () => {
    const service = await start({
      DATABASE_URL: database.url,
      NATS_URL: nats.url,
      SIGNALBOX_LOG_LEVEL: 'fatal',
      SIGNALBOX_LEASE_SWEEP: '60s',
      SIGNALBOX_LAST_SEEN: '60s',
      SIGNALBOX_AGENT_REQUESTS_PER_SECOND: '0',
    });
    const agent = new Agent({ keepAlive: true, maxSockets: inFlight });
    const answers = new Map<string, number>();
    try {
      const credential = await enrolAgent();
      const rest = Array.from({ length: polls }).values();
      const poller = async (): Promise<void> => {
        for (const _ of rest) {
          const answer = await pollOnce(service.url, credential, agent);
          answers.set(answer, (answers.get(answer) ?? 0) + 1);
        }
      };
      await Promise.all(Array.from({ length: inFlight }, poller));
    } finally {
      agent.destroy();
      await service.stop();
    }
    expect([...answers]).toEqual([['{"offer":null,"cancel":[],"drop":[],"pollAfterMs":0}', polls]]);
    // What is left is the start, and the loops' few a second: far from one for each poll.
    const counted = await transactions();
    expect(counted).toBeGreaterThan(0);
    expect(counted).toBeLessThan(polls / 10);
  }, 120_000);
});
