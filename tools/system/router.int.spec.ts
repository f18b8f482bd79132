import { once } from 'node:events';
import { type Server, createServer } from 'node:http';
import { eventually } from '@signalbox/testkit';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { type Router, startRouter } from './router.ts';

interface Replica {
  readonly server: Server;
  readonly url: string;
  isReady: boolean;
  /** Requests that wait, and are never answered. */
  waiting: number;
}

const startReplica = async (name: string): Promise<Replica> => {
  const server = createServer((request, response) => {
    if (request.url === '/health/ready') response.writeHead(replica.isReady ? 200 : 503).end();
    else if (request.url === '/slow') {
      replica.waiting += 1;
      response.once('close', () => (replica.waiting -= 1));
    } else request.pipe(response.writeHead(200, { 'x-replica': name }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('expected a port, got none');
  const replica: Replica = { server, url: `http://127.0.0.1:${address.port}`, isReady: true, waiting: 0 };
  return replica;
};

const stopReplica = async ({ server }: Replica): Promise<void> => {
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
};

let replicas: readonly Replica[];
let router: Router;

const ask = async (path = '/api/v1/jobs', body = 'hello') => {
  const answer = await fetch(`${router.url}${path}`, { method: 'POST', body });
  return { status: answer.status, by: answer.headers.get('x-replica'), body: await answer.text() };
};

/** Which replicas answer some requests in a row. */
const whoAnswer = async (): Promise<readonly (string | null)[]> => {
  const answers = [await ask(), await ask(), await ask(), await ask()];
  return [...new Set(answers.map(({ by }) => by))].toSorted();
};

beforeEach(async () => {
  replicas = await Promise.all(['api', 'api-2', 'gateway'].map(startReplica));
  const [api, second, gateway] = replicas.map(({ url }) => url);
  router = await startRouter(0, { api: [api ?? '', second ?? ''], gateway: [gateway ?? ''] });
});

afterEach(async () => {
  await router.stop();
  await Promise.all(replicas.filter(({ server }) => server.listening).map(stopReplica));
});

it('gives requests to the replicas in turn, and those of agents to the gateway', async () => {
  expect(await whoAnswer()).toEqual(['api', 'api-2']);
  expect(await ask('/api/v1/agent/poll')).toEqual({ status: 200, by: 'gateway', body: 'hello' });
});

it('passes over a replica that takes no connection, with the whole body', async () => {
  const [first] = replicas;
  if (first === undefined) throw new Error('expected a replica, got none');
  await stopReplica(first);
  const body = 'x'.repeat(100_000);
  for (let count = 0; count < 4; count += 1)
    expect(await ask('/api/v1/jobs', body)).toEqual({ status: 200, by: 'api-2', body });
});

it('gives nothing to a replica that is not ready, and something again when it is', async () => {
  const [first] = replicas;
  if (first === undefined) throw new Error('expected a replica, got none');
  first.isReady = false;
  await eventually(async () => String(await whoAnswer()) === String(['api-2']));
  first.isReady = true;
  await eventually(async () => String(await whoAnswer()) === String(['api', 'api-2']));
});

it('answers 503 with a problem when no replica takes a connection', async () => {
  await Promise.all(replicas.slice(0, 2).map(stopReplica));
  const answer = await ask();
  expect(answer.status).toBe(503);
  expect(JSON.parse(answer.body)).toMatchObject({ code: 'unavailable' });
});

it('takes no replica for dead because a client has hung up', async () => {
  const waiting = () => replicas.reduce((sum, replica) => sum + replica.waiting, 0);
  const gone = new AbortController();
  const asked = fetch(`${router.url}/slow`, { signal: gone.signal });
  await eventually(() => waiting() === 1);
  gone.abort();
  await expect(asked).rejects.toThrow();
  await eventually(() => waiting() === 0);
  expect(await whoAnswer()).toEqual(['api', 'api-2']);
});
