import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { type Event, eventsStreamName } from '@signalbox/contracts';
import type { System } from '@signalbox/tools/system';
import { connectOperator } from './operator.ts';

const fetchMost = 500;
const fetchWithinMs = 5_000;

/** Ids of all messages of the event stream, in their order. */
const publishedIds = async (system: System): Promise<readonly string[]> => {
  const nc = await connectOperator(system);
  try {
    const manager = await jetstreamManager(nc, { checkAPI: false });
    const { state } = await manager.streams.info(eventsStreamName);
    const ids: string[] = [];
    const consumer = await jetstream(nc).consumers.get(eventsStreamName, { headers_only: true });
    while (ids.length < state.messages) {
      const before = ids.length;
      const messages = await consumer.fetch({ max_messages: fetchMost, expires: fetchWithinMs });
      for await (const message of messages) ids.push(message.headers?.get('Nats-Msg-Id') ?? '');
      if (ids.length === before) break;
    }
    return ids;
  } finally {
    await nc.close();
  }
};

/**
 * Compares what subscribers find with the log. A run is shorter than the window of the stream, and a stream that was lost is
 * filled again: so it has every event once, in the order of the log, whatever happened.
 */
export const compareStream = (ids: readonly string[], events: readonly Pick<Event, 'id' | 'position'>[]) => {
  const at = events.findIndex(({ id }, index) => ids[index] !== id);
  const expected = events[at];
  if (expected !== undefined) {
    const known = events.findIndex(({ id }) => id === ids[at]);
    const got = ids[at] === undefined ? 'the end' : `event ${known + 1} of the log`;
    return [
      `4: expected the stream to be the log, got ${got} at message ${at + 1} (${expected.position}); ${ids.length} messages, ${events.length} events`,
    ];
  }
  return ids.length > events.length
    ? [`4: expected ${events.length} messages in the stream, got ${ids.length}`]
    : [];
};

export const streamDiffers = async (system: System, events: readonly Event[]): Promise<readonly string[]> =>
  compareStream(await publishedIds(system), events);
