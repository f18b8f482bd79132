/** Where a nats-server is and who speaks, as an address says it. */
export interface BusAddress {
  /** `host:port`, one for each server of a cluster. */
  readonly servers: string[];
  readonly user?: string;
  readonly pass?: string;
  /** Present where the address asks for TLS. */
  readonly tls?: Record<string, never>;
}

/**
 * Takes an address apart: `nats://user:password@host:port`, several separated by commas; `tls://` asks for TLS. The client
 * wants hosts and credentials by themselves; the credentials of the first host count.
 *
 * @throws Error it is no address; the text, which may hold a password, is not in the message
 */
export const parseBusAddress = (url: string): BusAddress => {
  const urls = url
    .split(',')
    .map((part) => part.trim())
    .map((part) => (part.includes('://') ? part : `nats://${part}`))
    .map((part) => (URL.canParse(part) ? new URL(part) : undefined));
  const hosts = urls.flatMap((each) => (each === undefined || each.host === '' ? [] : [each.host]));
  if (hosts.length < urls.length)
    throw new Error('expected NATS addresses of the form nats://host:port, got another text');
  const [first] = urls;
  return {
    servers: hosts,
    ...(first === undefined || first.username === ''
      ? {}
      : { user: decodeURIComponent(first.username), pass: decodeURIComponent(first.password) }),
    ...(first?.protocol === 'tls:' ? { tls: {} } : {}),
  };
};
