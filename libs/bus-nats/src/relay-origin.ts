import type { JetStreamManager, StoredMsg, StreamInfo } from '@nats-io/jetstream';
import { eventsStreamName, subjects, type Position, type RecordedEvent } from '@signalbox/contracts';
import type { EventStore } from '@signalbox/event-store';
import { defaultMaxAgeMs, ensureEventsStream, type EventsStreamOptions } from './events-stream.ts';
import { decodeMessage, MalformedMessage, type DecodedMessage } from './message.ts';

/** Where a relay goes on, or why it must not. */
export type Origin =
  | {
      readonly kind: 'from';
      /** Position published last; the next event follows it. */
      readonly after: Position;
      /** Sequence of the stream's last message, which the next publication expects. */
      readonly lastSequence: number;
      /** Names the life of the stream: another instant is another stream. */
      readonly created: string;
      /** True when `after` was read from the stream's own last message: nothing behind it is in the stream. */
      readonly isFromMessage: boolean;
    }
  | { readonly kind: 'halted'; readonly reason: HaltReason; readonly detail: string };

/** `store-restored`: the stream has an event that the store does not hold. `other-store`: it is another store's stream. */
export type HaltReason = 'store-restored' | 'other-store';

export interface OriginOptions extends EventsStreamOptions {
  /** Current instant in milliseconds since 1970. */
  readonly now: () => number;
}

/** How many messages of foreign origin at the end of the stream are looked behind for the relay's own last one. */
const foreignLimit = 1_000;

/**
 * Reads where the stream ends and compares it with the store.
 *
 * - No stream, or one that never held a message: it was wiped. The window of `maxAgeMs` is refilled.
 * - Messages: after the position in the relay's last one, if the store holds that event there.
 * - None left: they aged or were purged. After the position that was published with acknowledgement.
 */
export const findOrigin = async (
  jsm: JetStreamManager,
  store: EventStore,
  options: OriginOptions,
): Promise<Origin> => {
  const info = await ensureEventsStream(jsm, options);
  const from = (after: Position, isFromMessage = false): Origin => ({
    kind: 'from',
    after,
    isFromMessage,
    lastSequence: info.state.last_seq,
    created: info.created,
  });
  if (info.state.last_seq === 0) {
    const windowStart = new Date(options.now() - (options.maxAgeMs ?? defaultMaxAgeMs));
    return from(await store.positionBefore(windowStart.toISOString()));
  }
  const last = info.state.messages === 0 ? undefined : await lastOwnMessage(jsm, info, store.storeId);
  if (last === undefined) return from(await store.published());
  return (await contradiction(store, last)) ?? from(last.event.position, true);
};

const contradiction = async (store: EventStore, last: DecodedMessage): Promise<Origin | undefined> => {
  const { event, storeId } = last;
  const where = `event ${event.id} at position ${event.position}`;
  if (storeId !== store.storeId) {
    const detail = `expected a stream of event store ${store.storeId}, got ${where} of event store ${storeId}`;
    return { kind: 'halted', reason: 'other-store', detail };
  }
  const [stored] = await store.read(event.stream, event.streamVersion, 1);
  if (isSame(stored, event)) return undefined;
  const detail = `expected the published ${where} in the event store, got ${stored === undefined ? 'none' : `event ${stored.id} at position ${stored.position}`} there: the store was restored from an older backup`;
  return { kind: 'halted', reason: 'store-restored', detail };
};

/** True when the store holds this very event at its place. */
export const isSame = (stored: RecordedEvent | undefined, event: RecordedEvent): boolean =>
  stored !== undefined && stored.id === event.id && stored.position === event.position;

/**
 * The last message of this store; foreign ones after it, malformed or of another store, are passed over, up to a limit.
 * Where there is none of this store, the last one of another: then the stream is that store's.
 */
export const lastOwnMessage = async (
  jsm: JetStreamManager,
  info: StreamInfo,
  storeId: string,
): Promise<DecodedMessage | undefined> => {
  const newest = await jsm.streams.getMessage(eventsStreamName, { last_by_subj: subjects.allEvents });
  if (newest === null) return undefined;
  let message: StoredMsg | null = newest;
  let other: DecodedMessage | undefined;
  const oldest = Math.max(info.state.first_seq, newest.seq - foreignLimit);
  for (let sequence = newest.seq; ;) {
    const decoded = message === null ? undefined : tryDecode(message);
    if (decoded?.storeId === storeId) return decoded;
    other ??= decoded;
    sequence -= 1;
    if (sequence < oldest) return other;
    message = await jsm.streams.getMessage(eventsStreamName, { seq: sequence });
  }
};

const tryDecode = (message: StoredMsg): DecodedMessage | undefined => {
  try {
    return decodeMessage({ subject: message.subject, data: message.data, headers: message.header });
  } catch (error) {
    if (error instanceof MalformedMessage) return undefined;
    throw error;
  }
};
