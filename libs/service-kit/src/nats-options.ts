/** How every connection of ours to NATS behaves: it waits for the server at start and reconnects for ever. */
export interface NatsConnectionOptions {
  readonly servers: string[];
  readonly name: string;
  readonly user?: string;
  readonly pass?: string;
  readonly tls?: Record<string, never>;
  readonly maxReconnectAttempts: number;
  readonly reconnectTimeWait: number;
  readonly waitOnFirstConnect: boolean;
  readonly pingInterval: number;
}

/**
 * Options of a connection from the setting NATS_URL: `nats://user:password@host:port`, several hosts separated by commas.
 * `name` is what the server shows among its connections.
 */
export const natsOptions = (natsUrl: string, name: string): NatsConnectionOptions => {
  const urls = natsUrl
    .split(',')
    .map((each) => new URL(each.trim().includes('://') ? each.trim() : `nats://${each.trim()}`));
  const first = urls[0];
  return {
    servers: urls.map((url) => url.host),
    name,
    ...(first === undefined || first.username === ''
      ? {}
      : { user: decodeURIComponent(first.username), pass: decodeURIComponent(first.password) }),
    ...(first?.protocol === 'tls:' ? { tls: {} } : {}),
    maxReconnectAttempts: -1,
    reconnectTimeWait: 250,
    waitOnFirstConnect: true,
    pingInterval: 10_000,
  };
};
