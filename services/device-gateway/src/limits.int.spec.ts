import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type NatsConnection, type Relay, connectBus, startRelay } from '@signalbox/bus-nats';
import { Problem, agentPrefix } from '@signalbox/contracts';
import { openPostgresEventStore } from '@signalbox/event-store-postgres';
import { openPool, transaction } from '@signalbox/postgres';
import type { Service } from '@signalbox/service-kit';
import { type TestDatabase, type TestNats, createDatabase, startTestNats } from '@signalbox/testkit';
import type pg from 'pg';
import { hashSecret, newSecret } from './credentials.ts';
import { start } from './main.ts';
import { confirmAgent, insertAgent } from './tables/agents.ts';

let database: TestDatabase;
let nats: TestNats;
let pool: pg.Pool;
let nc: NatsConnection;
let relay: Relay;
let gateway: Service;

beforeAll(async () => {
  [database, nats] = await Promise.all([createDatabase(), startTestNats()]);
  pool = openPool({ url: database.url, applicationName: 'spec' });
  nc = await connectBus({ url: nats.url, name: 'spec' });
  relay = startRelay({ nc, store: await openPostgresEventStore({ pool }) });
  gateway = await start({
    DATABASE_URL: database.url,
    NATS_URL: nats.url,
    SIGNALBOX_LOG_LEVEL: 'silent',
    SIGNALBOX_AGENT_REQUESTS_PER_SECOND: '5',
    SIGNALBOX_FAILED_ATTEMPTS_PER_MINUTE: '4',
    SIGNALBOX_TRUSTED_PROXIES: 'loopback',
  });
});

afterAll(async () => {
  await gateway.stop();
  await relay.stop();
  await nc.close();
  await pool.end();
  await Promise.all([database.drop(), nats.close()]);
});

const tokenId = '00000000-0000-4000-8000-000000000000';

const enrolAgent = async (agentId: string): Promise<string> => {
  const credential = newSecret('sba');
  const facts = { name: agentId, agentVersion: '1', os: 'linux', architecture: 'arm64', properties: {} };
  const ids = { agentId, deviceId: agentId, tokenId, kind: 'device' } as const;
  const row = { ...ids, ...facts, credentialHash: hashSecret(credential) };
  await transaction(pool, (tx) => insertAgent(tx, row));
  await confirmAgent(pool, agentId, tokenId, '2026-01-01T00:00:00.000Z');
  return credential;
};

const post = (path: string, credential: string, from: string, body: unknown): Promise<Response> =>
  fetch(`${gateway.url}${agentPrefix}${path}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${credential}`,
      'content-type': 'application/json',
      'x-forwarded-for': from,
    },
    body: JSON.stringify(body),
  });
const poll = (credential: string, from = '192.0.2.1') => post('/poll', credential, from, { waitMs: 0 });
const enrol = (from: string) =>
  post('/enrol', 'none', from, {
    token: newSecret('sbe'),
    agentVersion: '1',
    os: 'linux',
    architecture: 'x64',
  });

const expectRefused = async (response: Response): Promise<void> => {
  expect(response.status).toBe(429);
  expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(Problem.parse(await response.json()).code).toBe('too-many-requests');
};

describe('one agent', () => {
  it('that asks too often is answered 429, and its neighbour is not', async () => {
    const [busy, other] = [await enrolAgent('busy'), await enrolAgent('other')];
    const answers = await Promise.all(Array.from({ length: 30 }, () => poll(busy)));
    const refused = answers.filter(({ status }) => status === 429);
    expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThanOrEqual(10);
    expect(refused.length).toBeGreaterThanOrEqual(10);
    for (const each of refused) await expectRefused(each);
    expect((await poll(other)).status).toBe(200);
  });
});

describe('one address', () => {
  it('that fails too often is answered 429 before the database is asked; known agents behind it go on', async () => {
    const [known, stranger] = [await enrolAgent('known'), await enrolAgent('stranger')];
    const from = '192.0.2.10';
    expect((await poll(known, from)).status).toBe(200);
    for (let count = 0; count < 4; count += 1) expect((await poll(newSecret('sba'), from)).status).toBe(401);
    await expectRefused(await poll(newSecret('sba'), from));
    await expectRefused(await poll(stranger, from));
    expect((await poll(known, from)).status).toBe(200);
    expect((await poll(stranger, '192.0.2.11')).status).toBe(200);
    expect((await poll(stranger, from)).status).toBe(200);
  });

  it('that guesses enrolment tokens is answered 429', async () => {
    const from = '192.0.2.20';
    for (let count = 0; count < 4; count += 1) expect((await enrol(from)).status).toBe(401);
    await expectRefused(await enrol(from));
    expect((await enrol('192.0.2.21')).status).toBe(401);
  });
});
