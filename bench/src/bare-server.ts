/** Program: the least that an HTTP server can do with a poll. It reads the body and answers a constant, at once or later. */
import { type Server, createServer } from 'node:http';
import { serveOrders } from './processes.ts';

const answer = JSON.stringify({ offer: null, cancel: [], drop: [], pollAfterMs: 0 });
const head = { 'content-type': 'application/json', 'content-length': answer.length };

let server: Server | undefined;

const orders = {
  /** Listens on a free port; answers its URL. */
  listen: async (_: null): Promise<string> => {
    const listening = createServer({ keepAliveTimeout: 65_000, requestTimeout: 0 }, (request, response) => {
      let body = '';
      request.setEncoding('utf8');
      request.on('data', (part: string) => (body += part));
      request.once('end', () => {
        const { waitMs }: { readonly waitMs: number } = JSON.parse(body);
        const end = (): void => void response.writeHead(200, head).end(answer);
        if (waitMs === 0) end();
        else setTimeout(end, waitMs);
      });
    });
    server = listening;
    await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (typeof address !== 'object' || address === null) throw new Error('expected a port, got none');
    return `http://127.0.0.1:${address.port}`;
  },
};
export type BareOrders = typeof orders;

serveOrders(orders);
