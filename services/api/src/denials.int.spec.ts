import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type Route, apiRoutes, apiRoles } from '@signalbox/contracts';
import { startApiUnderTest, type ApiUnderTest } from './testing/api-under-test.ts';

let api: ApiUnderTest;
let viewerKey: string;
let principalId: string;
beforeAll(async () => {
  api = await startApiUnderTest();
  const issued = await api.request('POST', '/api/v1/keys', { body: { name: 'viewer', roles: ['viewer'] } });
  const body: unknown = await issued.json();
  ({ key: viewerKey, principalId } = body as { key: string; principalId: string });
});
afterAll(() => api.close());

const isAboveViewer = ({ access }: Route): boolean => apiRoles.slice(1).some((role) => role === access);
const above = Object.entries<Route>(apiRoutes).filter(([, route]) => isAboveViewer(route));
const id = '00000000-0000-4000-8000-000000000001';

it('every command of the table is above a viewer, and every other route that writes has a name', () => {
  expect(above.length).toBeGreaterThan(3);
  const nameless = Object.values<Route>(apiRoutes).filter(
    ({ method, command }) => method === 'POST' && command === null,
  );
  expect(nameless.map(({ path }) => path)).toEqual([]);
});

it.each(above)('%s is refused to a viewer, and a refused command is in the log', async (_name, route) => {
  const before = (await api.store.read(`principal-${principalId}`, 0, 1_000)).length;
  const path = route.path.replaceAll(/:\w+/g, id);
  const response = await api.request(route.method, path, {
    key: viewerKey,
    ...(route.method === 'POST' ? { body: {} } : {}),
  });
  expect(response.status).toBe(403);
  const [denied, ...others] = (await api.store.read(`principal-${principalId}`, 0, 1_000)).slice(before);
  expect(others).toEqual([]);
  if (route.command === null) expect(denied).toBeUndefined();
  else {
    const subject = route.path.includes(':id') ? id : null;
    expect(denied?.type).toBe('CommandDenied');
    expect(JSON.parse(denied?.body ?? '{}')).toMatchObject({
      principalId,
      command: route.command,
      subject,
    });
  }
});
