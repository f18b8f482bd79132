/** The one public address: what an Ingress does in production, by path. The gateway owns the agents' prefix, nothing else. */
import {
  Agent,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  createServer,
  request as httpRequest,
} from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { agentPrefix } from '@signalbox/contracts';
import { type Balance, balanceOver } from './balance.ts';
import type { PublicDoor } from './public-door.ts';

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
    const { url: path, method } = request;
    // What the caller wrote there himself would be believed behind this.
    const headers = { ...request.headers, 'x-forwarded-for': request.socket.remoteAddress };
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
      // Not when it is the client that has gone.
      if (!response.destroyed) balance.failed(base);
      if (isSent || response.destroyed) unavailable(response);
      else tryNext(others);
    });
    response.once('close', drop);
  };
  tryNext(balance.order());
};

const serverOptions = { keepAliveTimeout: 65_000, requestTimeout: 0 } as const;

type Route = (request: IncomingMessage, response: ServerResponse) => void;

const listen = (server: Server, port: number, host: string): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });

const close = async (server: Server): Promise<void> => {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeAllConnections();
  await closed;
};

/** Speaks TLS beyond this machine; a certificate that was made or put there anew is shown without a restart. */
const openSecure = async (door: PublicDoor, route: Route): Promise<{ stop(): Promise<void> }> => {
  let shown = await door.certificate();
  const server = createSecureServer({ ...serverOptions, ...shown, minVersion: 'TLSv1.2' }, route);
  await listen(server, door.port, door.host);
  const renew = async (): Promise<void> => {
    const next = await door.certificate();
    if (next.cert === shown.cert && next.key === shown.key) return;
    server.setSecureContext({ ...next, minVersion: 'TLSv1.2' });
    shown = next;
  };
  const timer = setInterval(() => {
    renew().catch((error: unknown) => console.error('the certificate could not be read or made anew', error));
  }, door.checkMs);
  return {
    stop: async () => {
      clearInterval(timer);
      await close(server);
    },
  };
};

/**
 * Passes every request on as it is, long polls and event streams included, with the address it came from, to the replicas
 * in turn.
 *
 * @param door where TLS is spoken besides the plain port of this machine
 */
export const startRouter = async (
  port: number,
  targets: RouterTargets,
  door?: PublicDoor,
): Promise<Router> => {
  const agent = new Agent({ keepAlive: true, maxSockets: Infinity });
  const api = balanceOver(targets.api);
  const gateway = balanceOver(targets.gateway);
  const route = (request: IncomingMessage, response: ServerResponse): void =>
    pass(agent, isAgentPath((request.url ?? '/').split('?')[0] ?? '/') ? gateway : api, request, response);
  const server = createServer(serverOptions, route);
  await listen(server, port, '127.0.0.1');
  const secure =
    door &&
    (await openSecure(door, route).catch(async (error: unknown) => {
      await close(server);
      throw error;
    }));
  const address = server.address();
  if (typeof address !== 'object' || address === null)
    throw new Error('expected the router to have a port, got none');
  return {
    url: `http://127.0.0.1:${address.port}`,
    port: address.port,
    stop: async () => {
      const closed = Promise.all([close(server), secure?.stop() ?? Promise.resolve()]);
      api.stop();
      gateway.stop();
      agent.destroy();
      await closed;
    },
  };
};
