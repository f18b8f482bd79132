import { setTimeout as delay } from 'node:timers/promises';
import { AckPolicy, type Consumer, DeliverPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { type NatsConnection, connect } from '@nats-io/transport-node';
import { type DeliveredEvent, type Message, type SeenEvent, eventOfMessage } from './event.ts';
import type { ReadEvents } from './events-api.ts';
import type { Progress } from './progress.ts';

export interface SubscriberOptions {
  /** Address of NATS, such as `nats://127.0.0.1:4222`. */
  readonly natsUrl: string;
  /** Name of the durable consumer. */
  readonly name: string;
  readonly readEvents: ReadEvents;
  readonly progress: Progress;
  /** Called once per event, in order. True if it did something: then the progress is written at once. */
  readonly onEvent: (event: SeenEvent) => boolean;
  /** Told of what fails and is tried again. */
  readonly onTrouble: (error: unknown) => void;
}

const stream = 'EVENTS';
const pauseMs = 500;
const notYetPublishedMs = 100;

/**
 * The durable consumer, created where it is missing: at the first start, and after JetStream was wiped. A new one begins
 * with the stream's last message: it names the message before it, so that everything in between is noticed as a gap.
 */
const openConsumer = async (nc: NatsConnection, name: string): Promise<Consumer> => {
  const manager = await jetstreamManager(nc);
  await manager.consumers.add(stream, {
    durable_name: name,
    deliver_policy: DeliverPolicy.Last,
    ack_policy: AckPolicy.Explicit,
  });
  return jetstream(nc).consumers.get(stream, name);
};

/**
 * Follows all events until the signal fires.
 *
 * ```
 * connect ──▶ durable consumer ──▶ catch up over REST ──▶ take messages, a gap is read over REST first
 *    ▲                                                        │
 *    └──── stream or consumer lost          ◀──────────────┘
 * ```
 */
export const follow = async (options: SubscriberOptions, signal: AbortSignal): Promise<void> => {
  while (!signal.aborted) {
    try {
      await followOnce(options, signal);
    } catch (error) {
      if (!signal.aborted) options.onTrouble(error);
    }
    await delay(pauseMs, undefined, { signal }).catch(() => undefined);
  }
  await options.progress.save();
};

/** The client wants host and credentials by themselves. */
const addressOf = (text: string): { servers: string; user?: string; pass?: string } => {
  const url = new URL(text);
  if (url.username === '') return { servers: url.host };
  return {
    servers: url.host,
    user: decodeURIComponent(url.username),
    pass: decodeURIComponent(url.password),
  };
};

const followOnce = async (options: SubscriberOptions, signal: AbortSignal): Promise<void> => {
  const nc = await connect({ ...addressOf(options.natsUrl), name: options.name, maxReconnectAttempts: -1 });
  const close = (): void => void nc.close();
  signal.addEventListener('abort', close);
  try {
    const consumer = await openConsumer(nc, options.name);
    await catchUp(options, undefined, signal);
    await takeMessages(options, consumer, signal);
  } finally {
    signal.removeEventListener('abort', close);
    await nc.close();
  }
};

/** Ends when the signal fires, throws when stream or consumer are gone. */
const takeMessages = async (
  options: SubscriberOptions,
  consumer: Consumer,
  signal: AbortSignal,
): Promise<void> => {
  const { progress, onTrouble } = options;
  const messages = await consumer.consume({ expires: 5_000, abort_on_missing_resource: true });
  for await (const message of messages) {
    const event = tryDecode(message, onTrouble);
    if (event !== undefined) {
      progress.enter(event.source);
      if (event.previous > progress.position) await catchUp(options, event.previous, signal);
      await take(options, event);
    }
    message.ack();
    if (signal.aborted) return;
  }
};

/** A message that is no event is passed over: if it should have been one, the next event shows the gap. */
const tryDecode = (message: Message, onTrouble: (error: unknown) => void): DeliveredEvent | undefined => {
  try {
    return eventOfMessage(message);
  } catch (error) {
    onTrouble(error);
    return undefined;
  }
};

const take = async ({ progress, onEvent }: SubscriberOptions, event: SeenEvent): Promise<void> => {
  if (!progress.isSeen(event)) await progress.advance(event, onEvent(event));
};

/**
 * Reads over REST up to a position, or to the newest published one. The API may know a moment later than NATS what is
 * published: then it is asked again.
 */
const catchUp = async (
  options: SubscriberOptions,
  until: string | undefined,
  signal: AbortSignal,
): Promise<void> => {
  const { progress, readEvents } = options;
  let goal = until;
  while (goal === undefined || progress.position < goal) {
    const page = await readEvents(progress.position, signal);
    if (progress.enter(page.source)) {
      goal = undefined;
      continue;
    }
    goal ??= page.head;
    for (const event of page.events) await take(options, event);
    if (page.events.length > 0) continue;
    if (page.head >= goal) return;
    await delay(notYetPublishedMs, undefined, { signal });
  }
};
