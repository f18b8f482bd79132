import { connect, createInbox, type ConnectionOptions, type NatsConnection } from '@nats-io/transport-node';
import { parseBusAddress } from '@signalbox/contracts';

export interface BusOptions {
  /** Address such as `nats://user:password@host:4222`, or several separated by commas; `tls://` asks for TLS. */
  readonly url: string;
  /** Name that the server shows for this connection. */
  readonly name: string;
  readonly user?: string;
  readonly pass?: string;
  /** First token of this user's inboxes; default `_INBOX`. Users with own prefixes cannot read each other's answers. */
  readonly inboxPrefix?: string;
  /** Wait between two attempts to connect in milliseconds; default 100, plus up to as much again by chance. */
  readonly reconnectWaitMs?: number;
  /** Longest wait for the first connection's handshake in milliseconds; default 5000. */
  readonly timeoutMs?: number;
  /** Keeps trying when there is no server at the first attempt; default false: the first failure is thrown. */
  readonly waitForServer?: boolean;
  /** TLS beyond what the address says, such as the file of a certificate authority to trust. */
  readonly tls?: ConnectionOptions['tls'];
  /** Proves who we are where that is not a password, such as with a credentials file. */
  readonly authenticator?: ConnectionOptions['authenticator'];
}

/** Connects to NATS. Once connected it reconnects for ever; `close()` or `drain()` ends it. */
export const connectBus = async (options: BusOptions): Promise<NatsConnection> => {
  const waitMs = options.reconnectWaitMs ?? 100;
  const connection = await connect({
    ...parseBusAddress(options.url),
    name: options.name,
    maxReconnectAttempts: -1,
    reconnectTimeWait: waitMs,
    reconnectJitter: waitMs,
    reconnectJitterTLS: waitMs,
    pingInterval: 10_000,
    maxPingOut: 2,
    timeout: options.timeoutMs ?? 5_000,
    waitOnFirstConnect: options.waitForServer ?? false,
    ignoreAuthErrorAbort: true,
    ...(options.user === undefined ? {} : { user: options.user }),
    ...(options.pass === undefined ? {} : { pass: options.pass }),
    ...(options.inboxPrefix === undefined ? {} : { inboxPrefix: options.inboxPrefix }),
    ...(options.tls === undefined ? {} : { tls: options.tls }),
    ...(options.authenticator === undefined ? {} : { authenticator: options.authenticator }),
  });
  linkOf(connection);
  if (options.inboxPrefix !== undefined) inboxPrefixes.set(connection, options.inboxPrefix);
  return connection;
};

const inboxPrefixes = new WeakMap<NatsConnection, string>();

/** A new subject that the user of this connection may hear. */
export const newInbox = (connection: NatsConnection): string => createInbox(inboxPrefixes.get(connection));

/** What relay and readers need to know of a connection: whether it stands, and whether it is still the same one. */
export class Link {
  readonly #connection: NatsConnection;
  readonly #listeners = new Set<() => void>();
  #up = true;
  #epoch = 0;

  constructor(connection: NatsConnection) {
    this.#connection = connection;
    void this.#follow();
  }

  /** True while messages can be sent. The client clears its server info as soon as it dials again. */
  isUp(): boolean {
    return this.#up && this.#connection.info !== undefined && !this.#connection.isClosed();
  }

  /** Changes with every loss of the connection: what was set up in another epoch counts no more. */
  epoch(): number {
    return this.#epoch;
  }

  /** Calls back after every change until the returned function is called. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Waits for an answer of the server, but not longer than the connection lasts: what was asked is lost with it, and the
   * client would wait for its timeout.
   *
   * @throws Error the connection was lost
   */
  async whileUp<T>(answer: Promise<T>): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>();
    const unlisten = this.onChange(() =>
      reject(new Error('expected an answer, got the end of the connection')),
    );
    try {
      return await Promise.race([answer, promise]);
    } finally {
      unlisten();
    }
  }

  async #follow(): Promise<void> {
    for await (const status of this.#connection.status()) {
      if (status.type === 'disconnect' || status.type === 'close') {
        this.#up = false;
        this.#epoch += 1;
      } else if (status.type === 'reconnect') {
        this.#up = true;
      } else continue;
      for (const listener of this.#listeners) listener();
    }
  }
}

const links = new WeakMap<NatsConnection, Link>();

/** The one link of a connection; it lives as long as the connection. */
export const linkOf = (connection: NatsConnection): Link => {
  const known = links.get(connection);
  if (known !== undefined) return known;
  const link = new Link(connection);
  links.set(connection, link);
  return link;
};
