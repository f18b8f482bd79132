import { type NatsConnection, connect } from '@nats-io/transport-node';
import { inboxPrefixOf, parseBusAddress } from '@signalbox/contracts';
import type { System } from '@signalbox/tools/system';

/** A connection to NATS as the people with tools: they may look after streams. It waits for a server that is away. */
export const connectOperator = (system: System): Promise<NatsConnection> => {
  return connect({
    ...parseBusAddress(system.natsUrlOf('operator')),
    inboxPrefix: inboxPrefixOf('operator'),
    maxReconnectAttempts: -1,
    waitOnFirstConnect: true,
  });
};
