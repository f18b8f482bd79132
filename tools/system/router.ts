/** The one public address: what an Ingress does in production, by path. The gateway owns the agents' prefix, nothing else. */
import {
  Agent,
  type IncomingMessage,
  type ServerResponse,
  createServer,
  request as httpRequest,
} from 'node:http';
import { agentPrefix } from '@signalbox/contracts';

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

/** Passes every request on as it is, long polls and event streams included. */
export const startRouter = async (
  port: number,
  targets: { readonly api: string; readonly gateway: string },
): Promise<Router> => {
  const agent = new Agent({ keepAlive: true, maxSockets: Infinity });
  const pass = (request: IncomingMessage, response: ServerResponse): void => {
    const base = isAgentPath((request.url ?? '/').split('?')[0] ?? '/') ? targets.gateway : targets.api;
    const { hostname, port: targetPort } = new URL(base);
    const passed = httpRequest(
      {
        hostname,
        port: targetPort,
        path: request.url,
        method: request.method,
        headers: request.headers,
        agent,
      },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
        answer.once('error', () => response.destroy());
      },
    );
    const drop = (): void => {
      // What the client still sends is read, or its connection would wait for us for ever.
      request.unpipe(passed);
      request.resume();
      passed.destroy();
    };
    passed.once('error', () => {
      drop();
      unavailable(response);
    });
    response.once('close', drop);
    request.pipe(passed);
  };
  const server = createServer({ keepAliveTimeout: 65_000, requestTimeout: 0 }, pass);
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
      agent.destroy();
      await closed;
    },
  };
};
