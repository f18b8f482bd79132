import { once } from 'node:events';
import { type Socket, connect, createServer } from 'node:net';

/**
 * How a road is: `open`; `stalled`, when nothing comes through and nobody is told, as with a cable that is pulled, and what was
 * on its way comes when it is open again; `broken`, when connections end at once and new ones too.
 */
export type RoadState = 'open' | 'stalled' | 'broken';

/** A TCP proxy of one program to one server, that can be cut. */
export interface Road {
  readonly port: number;
  set(state: RoadState): void;
  close(): Promise<void>;
}

interface Pair {
  readonly client: Socket;
  server: Socket | undefined;
}

const breakOff = ({ client, server }: Pair): void => {
  client.destroy();
  server?.destroy();
};

/** Opens a road to a port of this machine. */
export const openRoad = async (target: number): Promise<Road> => {
  let state: RoadState = 'open';
  const pairs = new Set<Pair>();
  const join = (pair: Pair): void => {
    const server = connect({ port: target, host: '127.0.0.1', noDelay: true });
    pair.server = server;
    // Each side's end is the other's: a broken one breaks it, so that no side is left waiting.
    server.on('error', () => pair.client.destroy());
    server.on('close', () => pair.client.destroySoon());
    pair.client.pipe(server);
    server.pipe(pair.client);
  };
  const stall = (pair: Pair): void => {
    pair.client.unpipe();
    pair.server?.unpipe();
    pair.client.pause();
    pair.server?.pause();
  };
  const resume = (pair: Pair): void => {
    if (pair.server === undefined) return join(pair);
    pair.client.pipe(pair.server);
    pair.server.pipe(pair.client);
  };
  const listener = createServer({ allowHalfOpen: false, noDelay: true }, (client) => {
    const pair: Pair = { client, server: undefined };
    pairs.add(pair);
    client.on('error', () => pair.server?.destroy());
    client.on('close', () => {
      pairs.delete(pair);
      pair.server?.destroy();
    });
    if (state === 'broken') return breakOff(pair);
    if (state === 'stalled') client.pause();
    else join(pair);
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  if (typeof address !== 'object' || address === null)
    throw new Error('expected a port of the road, got none');
  return {
    port: address.port,
    set: (next) => {
      if (next === state) return;
      if (next === 'broken') for (const pair of pairs) breakOff(pair);
      if (next === 'stalled') for (const pair of pairs) stall(pair);
      if (next === 'open' && state === 'stalled') for (const pair of pairs) resume(pair);
      state = next;
    },
    close: async () => {
      for (const pair of pairs) breakOff(pair);
      const closed = once(listener, 'close');
      listener.close();
      await closed;
    },
  };
};
