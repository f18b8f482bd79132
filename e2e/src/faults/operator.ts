import { type NatsConnection, connect } from '@nats-io/transport-node';
import { inboxPrefixOf } from '@signalbox/contracts';
import type { System } from '@signalbox/tools/system';

/** A connection to NATS as the people with tools: they may look after streams. It waits for a server that is away. */
export const connectOperator = (system: System): Promise<NatsConnection> => {
  const { host, username, password } = new URL(system.natsUrlOf('operator'));
  return connect({
    servers: host,
    user: username,
    pass: password,
    inboxPrefix: inboxPrefixOf('operator'),
    maxReconnectAttempts: -1,
    waitOnFirstConnect: true,
  });
};
