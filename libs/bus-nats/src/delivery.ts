import { AckPolicy, DeliverPolicy, type JetStreamManager } from '@nats-io/jetstream';
import { nanos, nuid, type Msg, type NatsConnection, type Subscription } from '@nats-io/transport-node';
import { eventsStreamName } from '@signalbox/contracts';
import { newInbox } from './connection.ts';

export interface DeliveryOptions {
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  /** Name of the reader; the consumer's name begins with it. */
  readonly name: string;
  /** Called when something arrived or the delivery is lost. */
  readonly onChange: () => void;
}

const heartbeatMs = 1_000;
const silenceMs = 3_500;
const inactiveMs = 10_000;

/**
 * One life of an ephemeral consumer that delivers the stream's last message and what follows, in order, without
 * acknowledgements. The client's own ordered consumer is not used: after a loss it goes on by stream sequence, which
 * names other events once the stream was wiped. This one is lost for good, with a reason, at a gap, at silence of the
 * server, or when it is told so; its owner then reads the store and opens another.
 *
 * The server's flow control bounds what waits here: its question is answered when all before it has been taken.
 */
export class Delivery {
  readonly #connection: NatsConnection;
  readonly #queue: Msg[] = [];
  #head = 0;
  #subscription: Subscription | undefined;
  #manager: JetStreamManager;
  #consumer = '';
  #delivered = 0;
  #streamSequence = 0;
  #heardAt = performance.now();
  #lost: string | undefined;
  #startsWithMessage = false;
  readonly #onChange: () => void;

  private constructor(options: DeliveryOptions) {
    this.#connection = options.connection;
    this.#manager = options.manager;
    this.#onChange = options.onChange;
  }

  /** Subscribes first, then creates the consumer, so that nothing delivered is missed. */
  static async open(options: DeliveryOptions): Promise<Delivery> {
    const delivery = new Delivery(options);
    await delivery.#start(options);
    return delivery;
  }

  /** Whether the stream held a message at the start; if not, nothing says where its end is. */
  startsWithMessage(): boolean {
    return this.#startsWithMessage;
  }

  /** True once a message has arrived. */
  hasDelivered(): boolean {
    return this.#delivered > 0;
  }

  /** Stream sequence of the message that arrived last; valid within this delivery only. */
  streamSequence(): number {
    return this.#streamSequence;
  }

  /** Why nothing more comes from here. */
  lost(): string | undefined {
    const silentMs = performance.now() - this.#heardAt;
    if (silentMs > silenceMs) this.lose(`expected a heartbeat each ${heartbeatMs} ms, got silence`);
    return this.#lost;
  }

  lose(reason: string): void {
    if (this.#lost !== undefined) return;
    this.#lost = reason;
    this.#onChange();
  }

  /** The oldest message that has not been taken. */
  peek(): Msg | undefined {
    this.#answerFlowControl();
    return this.#queue[this.#head];
  }

  /** Takes the message that `peek` answers. */
  take(): void {
    this.#head += 1;
    if (this.#head < 1_024) return;
    this.#queue.splice(0, this.#head);
    this.#head = 0;
  }

  /** Unsubscribes; the server forgets the consumer, now if it hears of it, else when it notices. */
  close(): void {
    this.#lost ??= 'closed';
    if (this.#connection.isClosed()) return;
    this.#subscription?.unsubscribe();
    if (this.#consumer === '' || this.#connection.info === undefined) return;
    this.#manager.consumers.delete(eventsStreamName, this.#consumer).catch(() => undefined);
  }

  async #start({ connection, manager, name }: DeliveryOptions): Promise<void> {
    const inbox = newInbox(connection);
    this.#subscription = connection.subscribe(inbox, {
      callback: (error, message) => {
        if (error !== null) this.lose(error.message);
        else this.#received(message);
      },
    });
    try {
      const info = await manager.consumers.add(eventsStreamName, {
        name: `${name}-${nuid.next()}`,
        deliver_policy: DeliverPolicy.Last,
        deliver_subject: inbox,
        ack_policy: AckPolicy.None,
        max_deliver: 1,
        flow_control: true,
        idle_heartbeat: nanos(heartbeatMs),
        inactive_threshold: nanos(inactiveMs),
        mem_storage: true,
        num_replicas: 1,
      });
      this.#consumer = info.name;
      this.#startsWithMessage = info.num_pending > 0 || info.delivered.consumer_seq > 0;
      this.#heardAt = performance.now();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  #received(message: Msg): void {
    this.#heardAt = performance.now();
    if (this.#lost !== undefined) return;
    if (message.data.length === 0 && message.headers?.code === 100) return this.#receivedStatus(message);
    const place = parsePlace(message.reply ?? '');
    if (place === undefined) return;
    if (place.delivered !== this.#delivered + 1) {
      return this.lose(`expected delivery ${this.#delivered + 1}, got ${place.delivered}`);
    }
    this.#delivered = place.delivered;
    this.#streamSequence = place.streamSequence;
    this.#queue.push(message);
    this.#onChange();
  }

  #receivedStatus(message: Msg): void {
    if (message.reply !== undefined && message.reply !== '') {
      this.#queue.push(message);
      this.#onChange();
      return;
    }
    const last = Number(message.headers?.get('Nats-Last-Consumer') ?? '');
    if (last > this.#delivered)
      return this.lose(`expected delivery ${last}, got ${this.#delivered} as the last`);
    const stalled = message.headers?.get('Nats-Consumer-Stalled') ?? '';
    if (stalled !== '' && this.#head === this.#queue.length) this.#connection.publish(stalled);
  }

  #answerFlowControl(): void {
    for (let next = this.#queue[this.#head]; next !== undefined && isFlowControl(next);) {
      if (this.#lost === undefined) next.respond();
      this.take();
      next = this.#queue[this.#head];
    }
  }
}

const isFlowControl = (message: Msg): boolean =>
  message.data.length === 0 && message.reply?.startsWith('$JS.FC.') === true;

/** Sequences out of the reply subject; its form has 9 parts up to server 2.9 and more later. */
const parsePlace = (reply: string): { streamSequence: number; delivered: number } | undefined => {
  if (!reply.startsWith('$JS.ACK.')) return undefined;
  const parts = reply.split('.');
  const first = parts.length === 9 ? 5 : 7;
  return { streamSequence: Number(parts[first]), delivered: Number(parts[first + 1]) };
};
