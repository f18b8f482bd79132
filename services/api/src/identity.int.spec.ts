import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { KeyIssued, KeyRotated, Me, apiRoutes, decodeEvent, streams, type Event } from '@signalbox/contracts';
import { eventually } from '@signalbox/testkit';
import { adminKey, send, startApiUnderTest, type ApiUnderTest } from './testing/api-under-test.ts';

let api: ApiUnderTest;
beforeAll(async () => {
  api = await startApiUnderTest();
});
afterAll(() => api.close());

const issue = async (role: string): Promise<KeyIssued> => {
  const response = await api.request('POST', '/api/v1/keys', { body: { name: `a ${role}`, roles: [role] } });
  expect(response.status).toBe(201);
  return KeyIssued.parse(await response.json());
};
const eventsOf = async (principalId: string): Promise<readonly Event[]> =>
  (await api.store.read(streams.principal(principalId))).map(decodeEvent);
const me = (key: string | null): Promise<Response> => api.request('GET', '/api/v1/me', { key });

describe('the door', () => {
  it('lets nobody in without a key that counts', async () => {
    for (const key of [null, 'sbk_unknown_unknown_unknown_unknown', adminKey.slice(0, -1)]) {
      const response = await me(key);
      expect(response.status).toBe(401);
      expect(response.headers.get('www-authenticate')).toContain('Bearer');
      expect(response.headers.get('content-type')).toContain('application/problem+json');
    }
    expect((await api.request('POST', '/api/v1/jobs', { key: null, body: '{' })).status).toBe(401);
  });

  it('guards every route of the table, and has them all', async () => {
    for (const { method, path, access } of Object.values(apiRoutes)) {
      const real = path
        .replace(':targetId', 'device-1')
        .replace(':id', '0b1f7a52-6d5e-4c0a-9d3f-2f6f1f3a9c11');
      const { status } = await api.request(method, real, { key: null });
      expect([method, path, status]).toEqual([method, path, access === 'public' ? 200 : 401]);
    }
  });

  it('takes the key from either header', async () => {
    expect((await me(adminKey)).status).toBe(200);
    const own = await api.request('GET', '/api/v1/me', { key: null, headers: { 'x-api-key': adminKey } });
    expect(Me.parse(await own.json()).roles).toEqual(['admin']);
  });

  it('shows health, metrics and documentation to everybody', async () => {
    for (const path of [
      '/health/live',
      '/health/ready',
      '/metrics',
      '/api/v1/openapi.json',
      '/api/v1/docs',
    ]) {
      expect([path, (await api.request('GET', path, { key: null })).status]).toEqual([path, 200]);
    }
  });

  it('refuses a command without the role, and records that', async () => {
    const { key, principalId } = await issue('viewer');
    const response = await api.request('POST', '/api/v1/jobs', { key, body: {} });
    expect(response.status).toBe(403);
    expect(await response.json()).toMatchObject({
      code: 'forbidden',
      detail: expect.stringContaining('operator'),
    });
    const events = await eventsOf(principalId);
    expect(events.map(({ type }) => type)).toEqual(['ApiKeyIssued', 'CommandDenied']);
    expect(events[1]).toMatchObject({
      actor: { type: 'principal', id: principalId },
      correlationId: principalId,
      data: { principalId, command: 'job.create', subject: null },
    });
  });

  it('refuses a read without the role, and records nothing', async () => {
    const { key, principalId } = await issue('operator');
    expect((await api.request('GET', '/api/v1/keys', { key })).status).toBe(403);
    expect((await eventsOf(principalId)).map(({ type }) => type)).toEqual(['ApiKeyIssued']);
  });

  it('records many denials at once, none lost', async () => {
    const { key, principalId } = await issue('viewer');
    const path = '/api/v1/agents/device-7/revoke';
    const answers = await Promise.all(Array.from({ length: 8 }, () => api.request('POST', path, { key })));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 403));
    const denied = (await eventsOf(principalId)).filter(({ type }) => type === 'CommandDenied');
    expect(denied).toHaveLength(8);
    expect(denied[0]?.data).toMatchObject({ command: 'agent.revoke', subject: 'device-7' });
  });
});

describe('API keys', () => {
  it('are stored as hashes only', async () => {
    const { key } = await issue('operator');
    const { rows } = await api.pool.query<{ text: string }>('select k::text as text from api.keys k');
    expect(rows.some(({ text }) => text.includes(key))).toBe(false);
    const events = await api.store.readAll('0'.repeat(16), 1000);
    expect(events.some(({ body }) => body.includes(key) || body.includes(adminKey))).toBe(false);
  });

  it('count no more within a second of their revocation, on every replica', async () => {
    const other = await api.another();
    const { key, keyId, principalId } = await issue('viewer');
    const at = (url: string): Promise<number> =>
      send(`${url}/api/v1/me`, 'GET', { key }).then(({ status }) => status);
    expect([await at(api.url), await at(other.url)]).toEqual([200, 200]);
    const revoked = await api.request('POST', `/api/v1/keys/${keyId}/revoke`);
    expect(await revoked.json()).toMatchObject({ keyId, repeated: false });
    expect(await at(api.url)).toBe(401);
    await eventually(async () => (await at(other.url)) === 401, { timeoutMs: 1000 });
    expect((await eventsOf(principalId)).map(({ type }) => type)).toEqual(['ApiKeyIssued', 'ApiKeyRevoked']);
    const again = await api.request('POST', `/api/v1/keys/${keyId}/revoke`);
    expect(await again.json()).toMatchObject({ repeated: true });
    expect(await eventsOf(principalId)).toHaveLength(2);
  });

  it('are rotated with an overlap, after which the old one counts no more on every replica', async () => {
    const other = await api.another();
    const old = await issue('viewer');
    const at = (url: string, key: string): Promise<number> =>
      send(`${url}/api/v1/me`, 'GET', { key }).then(({ status }) => status);
    const rotate = async (body?: unknown) => {
      const answer = await api.request(
        'POST',
        `/api/v1/keys/${old.keyId}/rotate`,
        body === undefined ? {} : { body },
      );
      return { status: answer.status, body: await answer.json() };
    };
    const first = await rotate();
    expect(first).toMatchObject({ status: 201, body: { principalId: old.principalId, replaces: old.keyId } });
    const { key, keyId, replacedCountsUntil } = KeyRotated.parse(first.body);
    expect(Math.abs(Date.parse(replacedCountsUntil) - Date.now() - 86_400_000)).toBeLessThan(60_000);
    for (const each of [key, old.key])
      expect([await at(api.url, each), await at(other.url, each)]).toEqual([200, 200]);
    expect((await rotate({ overlapMs: 604_800_000 })).body).toMatchObject({ replacedCountsUntil });
    expect(await rotate({ overlapMs: -1 })).toMatchObject({ status: 400 });
    expect(await rotate({ overlapMs: 0 })).toMatchObject({ status: 201 });
    expect(await at(api.url, old.key)).toBe(401);
    await eventually(async () => (await at(other.url, old.key)) === 401, { timeoutMs: 1000 });
    expect(await at(other.url, key)).toBe(200);
    expect(await rotate()).toMatchObject({ status: 409, body: { code: 'conflict' } });
    await api.another();
    const events = await eventsOf(old.principalId);
    expect(events.map(({ type }) => type)).toEqual([
      'ApiKeyIssued',
      'ApiKeyIssued',
      'ApiKeyIssued',
      'ApiKeyIssued',
      'ApiKeyRevoked',
    ]);
    expect(events[1]?.data).toMatchObject({ keyId, roles: ['viewer'] });
    expect(events[4]?.data).toMatchObject({ keyId: old.keyId });
  });

  it('keep the last administrator', async () => {
    const { keyId } = Me.parse(await (await me(adminKey)).json());
    const response = await api.request('POST', `/api/v1/keys/${keyId}/revoke`);
    expect(response.status).toBe(409);
    expect((await me(adminKey)).status).toBe(200);
  });

  it('of the first start are taken over once, however many replicas start', async () => {
    const { principalId } = Me.parse(await (await me(adminKey)).json());
    await Promise.all([api.another(), api.another({ SIGNALBOX_BOOTSTRAP_ADMIN_KEY: 'x'.repeat(40) })]);
    expect((await me('x'.repeat(40))).status).toBe(401);
    const events = await eventsOf(principalId);
    expect(events.map(({ type }) => type)).toEqual(['ApiKeyIssued']);
    expect(events[0]?.actor).toEqual({ type: 'service', id: 'api' });
  });

  it('that were left half issued or half revoked are settled at the next start', async () => {
    const { keyId, principalId } = await issue('viewer');
    await api.pool.query(
      'update api.keys set revoke_requested_at = now(), revoke_requested_by = $2 where key_id = $1',
      [keyId, 'somebody'],
    );
    await api.another();
    expect((await eventsOf(principalId)).map(({ type, actor }) => [type, actor.id])).toEqual([
      ['ApiKeyIssued', expect.any(String)],
      ['ApiKeyRevoked', 'somebody'],
    ]);
    const { rows } = await api.pool.query(
      'select 1 from api.keys where key_id = $1 and revoked_at is not null',
      [keyId],
    );
    expect(rows).toHaveLength(1);
  });

  it('are listed page by page, without the keys', async () => {
    const first = await (await api.request('GET', '/api/v1/keys?limit=1')).text();
    expect(first).not.toContain('sbk_');
    const { items, nextCursor } = JSON.parse(first);
    const next = await (await api.request('GET', `/api/v1/keys?limit=1&cursor=${nextCursor}`)).json();
    expect(next).not.toMatchObject({ items });
  });
});
