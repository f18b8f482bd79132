import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Problem } from '@signalbox/contracts';
import type { Service } from '@signalbox/service-kit';
import { adminKey, send, startApiUnderTest, type ApiUnderTest } from './testing/api-under-test.ts';

let api: ApiUnderTest;
let limited: Service;
beforeAll(async () => {
  api = await startApiUnderTest();
  limited = await api.another({
    SIGNALBOX_API_KEY_REQUESTS_PER_SECOND: '5',
    SIGNALBOX_FAILED_ATTEMPTS_PER_MINUTE: '4',
    SIGNALBOX_TRUSTED_PROXIES: 'loopback',
  });
});
afterAll(() => api.close());

const listKeys = (key: string | null, from = '192.0.2.1'): Promise<Response> =>
  send(`${limited.url}/api/v1/keys`, 'GET', { key, headers: { 'x-forwarded-for': from } });
const wrongKey = (index: number): string => `sbk_wrong_${index}`;

const newKey = async (): Promise<string> => {
  const body = { name: 'program', roles: ['admin'] };
  const { key } = (await (await api.request('POST', '/api/v1/keys', { body })).json()) as { key: string };
  return key;
};

const expectRefused = async (response: Response): Promise<number> => {
  expect(response.status).toBe(429);
  const problem = Problem.parse(await response.json());
  const seconds = Number(response.headers.get('retry-after'));
  expect(problem).toMatchObject({ code: 'too-many-requests', expected: { retryAfterSeconds: seconds } });
  expect(problem.detail).toContain(`try again in ${seconds} s`);
  return seconds;
};

const refusals = async (limit: string): Promise<number> => {
  const page = await (await fetch(`${limited.url}/metrics`)).text();
  const [, value] =
    new RegExp(`signalbox_refused_requests_total\\{.*limit="${limit}".*\\} (\\d+)`).exec(page) ?? [];
  return Number(value ?? 0);
};

const exhaust = async (from: string): Promise<void> => {
  for (let index = 0; index < 4; index += 1) expect((await listKeys(wrongKey(index), from)).status).toBe(401);
};

describe('one key', () => {
  it('that asks too often is answered 429 with a time, and another key goes on', async () => {
    const [busy, other] = [await newKey(), await newKey()];
    const answers = await Promise.all(Array.from({ length: 30 }, () => listKeys(busy)));
    const refused = answers.filter(({ status }) => status === 429);
    expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThanOrEqual(10);
    expect(refused.length).toBeGreaterThanOrEqual(10);
    for (const each of refused) expect(await expectRefused(each)).toBe(1);
    expect((await listKeys(other)).status).toBe(200);
    expect(await refusals('credential')).toBe(refused.length);
  });

  it('is not counted where the limit is the default', async () => {
    const answers = await Promise.all(Array.from({ length: 300 }, () => api.request('GET', '/api/v1/keys')));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  });
});

describe('one address', () => {
  it('that fails too often is answered 429, other addresses 401', async () => {
    await exhaust('192.0.2.10');
    await expectRefused(await listKeys(wrongKey(5), '192.0.2.10'));
    await expectRefused(await listKeys(wrongKey(1), '192.0.2.10'));
    await expectRefused(await listKeys(null, '192.0.2.10'));
    expect((await listKeys(wrongKey(5), '192.0.2.11')).status).toBe(401);
    expect(await refusals('address')).toBe(3);
  });

  it('that fails too often shuts nobody out who is known here, and whoever is not for a while only', async () => {
    const stranger = await newKey();
    expect((await listKeys(adminKey, '192.0.2.20')).status).toBe(200);
    await exhaust('192.0.2.20');
    expect((await listKeys(adminKey, '192.0.2.20')).status).toBe(200);
    const seconds = await expectRefused(await listKeys(stranger, '192.0.2.20'));
    expect(seconds).toBeLessThanOrEqual(15);
    expect((await listKeys(stranger, '192.0.2.21')).status).toBe(200);
    expect((await listKeys(stranger, '192.0.2.20')).status).toBe(200);
  });

  it('is that of the connection where no proxy is trusted', async () => {
    const bare = await api.another({ SIGNALBOX_FAILED_ATTEMPTS_PER_MINUTE: '2' });
    const statuses: number[] = [];
    for (const from of ['198.51.100.1', '198.51.100.2', '198.51.100.3']) {
      const answer = await send(`${bare.url}/api/v1/keys`, 'GET', {
        key: wrongKey(0),
        headers: { 'x-forwarded-for': from },
      });
      statuses.push(answer.status);
    }
    expect(statuses).toEqual([401, 401, 429]);
  });
});

it('a setting that is no list of addresses stops the start, without its value', async () => {
  const start = api.another({ SIGNALBOX_TRUSTED_PROXIES: '10.0.0.0/8,nonsense' });
  await expect(start).rejects.toThrow(/SIGNALBOX_TRUSTED_PROXIES: expected IP addresses/);
});
