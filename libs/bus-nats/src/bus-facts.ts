import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { type EventsStreamOptions, eventsStreamInfo, streamDifferences } from './events-stream.ts';

/** What a look at the server tells of it and of the events stream. */
export interface BusFacts {
  readonly version: string;
  /** False where the server runs without JetStream; then nothing else is known. */
  readonly hasJetStream: boolean;
  /** Bytes in files of the account; `limitBytes` is -1 where the account has none. */
  readonly storage?: { readonly usedBytes: number; readonly limitBytes: number };
  /** Undefined while there is no stream. */
  readonly stream?: {
    readonly differences: readonly string[];
    readonly messages: number;
    /** Undefined on a server without a cluster. */
    readonly leader: string | undefined;
    /** Copies besides the leader's. */
    readonly peers: readonly { readonly name: string; readonly isCurrent: boolean; readonly lag: number }[];
  };
}

/**
 * Looks at the server and the events stream as the relay's user; changes nothing.
 *
 * @throws Error there is no connection, or no answer within `timeoutMs`
 */
export const inspectBus = async (
  nc: NatsConnection,
  options: EventsStreamOptions,
  timeoutMs = 2_000,
): Promise<BusFacts> => {
  const { info } = nc;
  if (info === undefined) throw new Error('expected a connection to NATS, got none');
  const { version } = info;
  if (info.jetstream !== true) return { version, hasJetStream: false };
  const manager = await jetstreamManager(nc, { checkAPI: false, timeout: timeoutMs });
  const [account, stream] = await Promise.all([manager.getAccountInfo(), eventsStreamInfo(manager)]);
  const storage = { usedBytes: account.storage, limitBytes: account.limits.max_storage };
  if (stream === undefined) return { version, hasJetStream: true, storage };
  return {
    version,
    hasJetStream: true,
    storage,
    stream: {
      differences: streamDifferences(options, stream.config),
      messages: stream.state.messages,
      leader: stream.cluster?.leader,
      peers: (stream.cluster?.replicas ?? []).map(({ name, current, offline, lag }) => ({
        name,
        isCurrent: current && offline !== true,
        lag: lag ?? 0,
      })),
    },
  };
};
