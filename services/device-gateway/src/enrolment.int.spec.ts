import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type NatsConnection, type Relay, connectBus, startRelay } from '@signalbox/bus-nats';
import { Enrolled, agentPrefix, decodeEvent, streams } from '@signalbox/contracts';
import type { EventStore } from '@signalbox/event-store';
import { openPostgresEventStore } from '@signalbox/event-store-postgres';
import { openPool } from '@signalbox/postgres';
import type { Service } from '@signalbox/service-kit';
import {
  type TestDatabase,
  type TestNats,
  createDatabase,
  eventually,
  startTestNats,
} from '@signalbox/testkit';
import type pg from 'pg';
import { Credentials, newSecret } from './credentials.ts';
import { type EnrolmentDeps, enrol, issueToken, revokeAgent } from './enrolment.ts';
import { start } from './main.ts';

let database: TestDatabase;
let nats: TestNats;
let pool: pg.Pool;
let nc: NatsConnection;
let store: EventStore;
let relay: Relay;
/** What a further replica does its work with: what it changes reaches the running ones over the log only. */
let elsewhere: EnrolmentDeps;
const replicas: Service[] = [];

const startReplica = async (): Promise<Service> => {
  const env = { DATABASE_URL: database.url, NATS_URL: nats.url, SIGNALBOX_LOG_LEVEL: 'fatal' };
  const service = await start(env);
  replicas.push(service);
  return service;
};

beforeAll(async () => {
  [database, nats] = await Promise.all([createDatabase(), startTestNats()]);
  pool = openPool({ url: database.url, applicationName: 'spec' });
  nc = await connectBus({ url: nats.url, name: 'spec' });
  store = await openPostgresEventStore({ pool });
  relay = startRelay({ nc, store, options: { pollMs: 20 } });
  await startReplica();
  await startReplica();
  const credentials = new Credentials(pool, () => performance.now());
  elsewhere = { pool, store, credentials, now: () => new Date().toISOString() };
});

afterAll(async () => {
  await Promise.all(replicas.map((each) => each.stop()));
  await relay.stop();
  await nc.close();
  await pool.end();
  await Promise.all([database.drop(), nats.close()]);
});

const call = () => ({ commandId: randomUUID(), actor: { type: 'principal', id: 'admin' } as const });
const token = async (): Promise<string> => (await issueToken(elsewhere, {}, call())).token;

const enrolAt = async (service: Service | undefined, body: object) => {
  const answer = await fetch(`${service?.url}${agentPrefix}/enrol`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ agentVersion: '1', os: 'linux', architecture: 'arm64', ...body }),
  });
  return { status: answer.status, body: await answer.json() };
};

const meAt = async (service: Service | undefined, credential: string): Promise<number> =>
  (await fetch(`${service?.url}${agentPrefix}/me`, { headers: { authorization: `Bearer ${credential}` } }))
    .status;

const typesOf = async (deviceId: string): Promise<string[]> =>
  (await store.read(streams.device(deviceId))).map((each) => decodeEvent(each).type);

it('answers the same when an agent asks again with its token and its credential, also elsewhere and later', async () => {
  const ask = { token: await token(), credential: newSecret('sba') };
  const first = await enrolAt(replicas[0], ask);
  expect(first).toMatchObject({ status: 201, body: { credential: ask.credential } });
  expect(await enrolAt(replicas[1], ask)).toEqual(first);
  expect(await enrolAt(await startReplica(), ask)).toEqual(first);
  expect(await typesOf(Enrolled.parse(first.body).deviceId)).toEqual([
    'EnrolmentTokenIssued',
    'DeviceEnrolled',
  ]);
  expect(await meAt(replicas[1], ask.credential)).toBe(200);
});

it('answers the same to an agent that asks many times at once', async () => {
  const ask = { token: await token(), credential: newSecret('sba') };
  const answers = await Promise.all(Array.from({ length: 8 }, (_, n) => enrolAt(replicas[n % 2], ask)));
  expect(new Set(answers.map((each) => JSON.stringify(each))).size).toBe(1);
  expect(answers[0]?.status).toBe(201);
  expect(await typesOf(Enrolled.parse(answers[0]?.body).deviceId)).toEqual([
    'EnrolmentTokenIssued',
    'DeviceEnrolled',
  ]);
});

it('goes on with an enrolment that ended before it was in the log', async () => {
  const ask = { token: await token(), credential: newSecret('sba') };
  const cut = {
    ...elsewhere,
    store: Object.create(store, { append: { value: () => Promise.reject(new Error('cut')) } }),
  };
  const body = { ...ask, agentVersion: '1', os: 'linux', architecture: 'arm64', properties: {} };
  await expect(enrol(cut, body, '')).rejects.toThrow();
  expect(await meAt(replicas[0], ask.credential)).toBe(401);
  expect((await enrolAt(replicas[0], ask)).status).toBe(201);
});

it('takes a used token with no other credential, nor without one, nor after the revocation', async () => {
  const ask = { token: await token(), credential: newSecret('sba') };
  const { body } = await enrolAt(replicas[0], ask);
  const refused = { status: 401, body: { code: 'token-invalid' } };
  expect(await enrolAt(replicas[0], { ...ask, credential: newSecret('sba') })).toMatchObject(refused);
  expect(await enrolAt(replicas[0], { token: ask.token })).toMatchObject(refused);
  await revokeAgent(elsewhere, { agentId: Enrolled.parse(body).agentId }, call());
  expect(await enrolAt(replicas[0], ask)).toMatchObject(refused);
});

it('refuses a credential that is not 256 random bits by its form, naming the field', async () => {
  const answer = await enrolAt(replicas[0], { token: await token(), credential: 'sba_short' });
  expect(answer.status).toBe(400);
  expect(JSON.stringify(answer.body)).toContain('sba_ and 43 characters');
  expect(JSON.stringify(answer.body)).not.toContain('sba_short');
});

it('refuses a revoked credential on every replica within a second, wherever it was revoked', async () => {
  const credential = newSecret('sba');
  const { body } = await enrolAt(replicas[0], { token: await token(), credential });
  expect([await meAt(replicas[0], credential), await meAt(replicas[1], credential)]).toEqual([200, 200]);
  await revokeAgent(elsewhere, { agentId: Enrolled.parse(body).agentId }, call());
  await Promise.all(
    [replicas[0], replicas[1]].map((each) =>
      eventually(async () => (await meAt(each, credential)) === 401, { timeoutMs: 1_000 }),
    ),
  );
});
