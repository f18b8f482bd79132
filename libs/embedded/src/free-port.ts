import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/**
 * Ports below the range from which systems take the local ports of outgoing connections: there a client that keeps
 * trying to reconnect to a stopped server can be given the server's own port, and block its restart.
 */
const lowestPort = 15_000;
const highestPort = 30_000;
const tries = 50;

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => {
      resolve(false);
    });
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      server.close(() => {
        resolve(true);
      });
    });
  });

/**
 * A TCP port of 127.0.0.1 that nobody listens on at this moment. Another process may take it before the caller does:
 * whoever binds it must be ready to ask again.
 */
export const freePort = async (): Promise<number> => {
  for (let attempt = 0; attempt < tries; attempt += 1) {
    const port = randomInt(lowestPort, highestPort);
    if (await isFree(port)) return port;
  }
  throw new Error(
    `expected a free port between ${lowestPort} and ${highestPort}, got none after ${tries} tries`,
  );
};
