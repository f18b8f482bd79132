import {
  AckPolicy,
  DeliverPolicy,
  jetstream,
  jetstreamManager,
  type JetStreamManager,
} from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { eventsStreamName, positionStart, type Position } from '@signalbox/contracts';
import { startTestNats, type TestNats } from '@signalbox/testkit';
import { connectBus } from '../connection.ts';
import { decodeMessage, type DecodedMessage } from '../message.ts';

/** What a spec has opened; closed in reverse order. */
export class Opened {
  readonly #closers: (() => Promise<unknown>)[] = [];

  add<T extends { stop(): Promise<void> }>(running: T): T {
    this.#closers.push(() => running.stop());
    return running;
  }

  onClose(close: () => Promise<unknown>): void {
    this.#closers.push(close);
  }

  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) await close();
  }
}

/**
 * A nats-server and a connection that watches it. Each case has one of its own: a stream that is made anew while the
 * server still removes the old one's files may come back with the old messages (seen with 2.10.27 under load).
 */
export class TestBus {
  readonly nats: TestNats;
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;

  private constructor(nats: TestNats, connection: NatsConnection, manager: JetStreamManager) {
    this.nats = nats;
    this.connection = connection;
    this.manager = manager;
  }

  static async start(): Promise<TestBus> {
    const nats = await startTestNats();
    const connection = await connectBus({ url: nats.url, name: 'spec' });
    return new TestBus(nats, connection, await jetstreamManager(connection, { timeout: 500 }));
  }

  connect(name: string): Promise<NatsConnection> {
    return connectBus({ url: this.nats.url, name, reconnectWaitMs: 20 });
  }

  /** Every message of the stream in order; foreign ones are left out. */
  async messages(): Promise<readonly DecodedMessage[]> {
    const { state } = await this.manager.streams.info(eventsStreamName);
    if (state.messages === 0) return [];
    const { name } = await this.manager.consumers.add(eventsStreamName, {
      ack_policy: AckPolicy.None,
      deliver_policy: DeliverPolicy.All,
    });
    const consumer = await jetstream(this.connection).consumers.get(eventsStreamName, name);
    const found: DecodedMessage[] = [];
    for await (const message of await consumer.fetch({ max_messages: state.messages, expires: 5_000 })) {
      if (message.headers?.has('ce-id') === true) found.push(decodeMessage(message));
    }
    return found;
  }

  /** Removes the stream and all that is in it. */
  async wipe(): Promise<void> {
    await this.manager.streams.delete(eventsStreamName);
  }

  async close(): Promise<void> {
    await this.connection.close();
    await this.nats.close();
  }
}

/** What must hold of the messages of one life of the stream: the log's order, nothing missing, nothing twice. */
export const brokenLinks = (
  messages: readonly DecodedMessage[],
  from: Position = positionStart,
): readonly string[] =>
  messages.flatMap(({ event, previous }, index) => {
    const before = messages[index - 1]?.event.position ?? from;
    return previous === before ? [] : [`${event.position} follows ${before}, says ${previous}`];
  });
