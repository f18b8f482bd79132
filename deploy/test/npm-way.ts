import { type Server, createServer } from 'node:http';
import { type Socket, connect } from 'node:net';

/** A way to package registries for builds whose network has none of its own. */
export interface NpmWay {
  readonly url: string;
  stop(): Promise<void>;
}

const joined = (client: Socket, server: Socket): void => {
  for (const [from, to] of [
    [client, server],
    [server, client],
  ] as const) {
    from.pipe(to);
    from.on('error', () => to.destroy());
    from.on('close', () => to.destroy());
  }
};

/** Starts a proxy for TLS connections (`CONNECT host:443`) on an address that only our containers reach. */
export const startNpmWay = async (host: string): Promise<NpmWay> => {
  const sockets = new Set<Socket>();
  const server: Server = createServer((_, response) => response.writeHead(405).end());
  server.on('connect', (request, client: Socket) => {
    const [, name, port] = /^([^:]+):(443)$/.exec(request.url ?? '') ?? [];
    if (name === undefined) {
      client.end('HTTP/1.1 403 Forbidden\r\n\r\n');
      return;
    }
    const onward = connect({ host: name, port: Number(port) }, () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n');
      joined(client, onward);
    });
    onward.once('error', () => client.destroy());
    for (const socket of [client, onward]) {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, host, resolve);
  });
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('expected a port, got none');
  return {
    url: `http://${host}:${address.port}`,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};
