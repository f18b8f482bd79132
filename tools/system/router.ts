/** The one public address: what an Ingress does in production, by path. The gateway owns the agents' prefix, nothing else. */
import {
  Agent,
  type IncomingMessage,
  type ServerResponse,
  createServer,
  request as httpRequest,
} from 'node:http';
import { agentPrefix } from '@signalbox/contracts';
import { type Balance, balanceOver } from './balance.ts';

export interface Router {
  readonly url: string;
  readonly port: number;
  stop(): Promise<void>;
}

const isAgentPath = (path: string): boolean => path === agentPrefix || path.startsWith(`${agentPrefix}/`);

const unavailable = (response: ServerResponse): void => {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const problem = {
    type: 'urn:signalbox:problem:unavailable',
    title: 'unavailable',
    status: 503,
    code: 'unavailable',
    detail: 'expected the service behind this path to answer, got no connection; try again in a moment',
  };
  response.writeHead(503, { 'content-type': 'application/problem+json', 'retry-after': '1' });
  response.end(JSON.stringify(problem));
};

/** Addresses of the replicas of each service behind the door. */
export interface RouterTargets {
  readonly api: readonly string[];
  readonly gateway: readonly string[];
}

/** Passes one request on; a replica that takes no connection is passed over, since nothing was sent to it yet. */
const pass = (agent: Agent, balance: Balance, request: IncomingMessage, response: ServerResponse): void => {
  const tryNext = ([base, ...others]: readonly string[]): void => {
    if (base === undefined) return unavailable(response);
    const { hostname, port } = new URL(base);
    const { url: path, method, headers } = request;
    let isSent = false;
    const passed = httpRequest({ hostname, port, path, method, headers, agent }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
      answer.once('error', () => response.destroy());
    });
    const drop = (): void => {
      // What the client still sends is read, or its connection would wait for us for ever.
      request.unpipe(passed);
      if (isSent) request.resume();
      passed.destroy();
    };
    const send = (): void => {
      isSent = true;
      request.pipe(passed);
    };
    passed.once('socket', (socket) => {
      if (socket.connecting) socket.once('connect', send);
      else send();
    });
    passed.once('error', () => {
      response.off('close', drop);
      drop();
      balance.failed(base);
      if (isSent || response.destroyed) unavailable(response);
      else tryNext(others);
    });
    response.once('close', drop);
  };
  tryNext(balance.order());
};

/** Passes every request on as it is, long polls and event streams included, to the replicas in turn. */
export const startRouter = async (port: number, targets: RouterTargets): Promise<Router> => {
  const agent = new Agent({ keepAlive: true, maxSockets: Infinity });
  const api = balanceOver(targets.api);
  const gateway = balanceOver(targets.gateway);
  const route = (request: IncomingMessage, response: ServerResponse): void =>
    pass(agent, isAgentPath((request.url ?? '/').split('?')[0] ?? '/') ? gateway : api, request, response);
  const server = createServer({ keepAliveTimeout: 65_000, requestTimeout: 0 }, route);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (typeof address !== 'object' || address === null)
    throw new Error('expected the router to have a port, got none');
  return {
    url: `http://127.0.0.1:${address.port}`,
    port: address.port,
    stop: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      api.stop();
      gateway.stop();
      agent.destroy();
      await closed;
    },
  };
};
