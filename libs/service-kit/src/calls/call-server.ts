import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node';
import type { Reply } from '@signalbox/contracts';
import { ServerNats, type CustomTransportStrategy } from '@nestjs/microservices';
import { withinMs } from '../lifecycle.ts';
import { type Logger } from '../logger.ts';
import { type Metrics } from '../metrics.ts';
import { type NatsAccess, natsOptions } from '../nats-access.ts';
import { processSeconds } from '../tracing/instruments.ts';
import type { Answer, AnswerKit } from './answers.ts';

export interface CallServerOptions {
  readonly nats: NatsAccess;
  /** Queue group: of all replicas of the service that are subscribed, one gets each call. */
  readonly service: string;
  readonly answers: readonly Answer[];
  readonly kit: AnswerKit & { readonly metrics: Metrics };
  /** Start without subscribing; `release()` begins to answer. */
  readonly held?: boolean;
}

const closeMs = 3_000;
/** The server's own default, and what Nest adds around an answer. */
const standardPayloadBytes = 1_048_576;
const envelopeBytes = 1_024;

/**
 * Nest's NATS transport with our list of answers; messages do not pass through Nest's patterns, pipes and observables. While held it is not subscribed, so that callers meet another replica
 * or "no responders", and try again; the service of a lease holds whenever it does not lead.
 */
export class CallServer extends ServerNats implements CustomTransportStrategy {
  readonly #service: string;
  readonly #answers: readonly Answer[];
  readonly #log: Logger;
  readonly #kit: CallServerOptions['kit'];
  readonly #running = new Set<Promise<unknown>>();
  #client: NatsConnection | undefined;
  #subscribed: Subscription[] = [];
  #held: boolean;

  constructor({ nats, service, answers, kit, held = false }: CallServerOptions) {
    super(natsOptions(nats, `${service} calls`));
    this.#service = service;
    this.#answers = answers;
    this.#kit = kit;
    this.#log = kit.logger;
    this.#held = held;
  }

  /** Called by Nest once connected. */
  override bindEvents(client: NatsConnection): void {
    this.#client = client;
    if (!this.#held) this.#subscribe();
  }

  /** Stops to take calls; those that have come in are still answered. Idempotent. */
  async hold(): Promise<void> {
    this.#held = true;
    await this.#unsubscribe();
  }

  /** Begins to take calls. Idempotent; before the connection exists it is remembered. */
  release(): void {
    this.#held = false;
    if (this.#client !== undefined && this.#subscribed.length === 0) this.#subscribe();
  }

  override async close(): Promise<void> {
    this.#held = true;
    const client = this.#client;
    if (client !== undefined && !client.isClosed()) {
      await withinMs(this.#unsubscribe(), closeMs);
      await withinMs(Promise.allSettled(this.#running), closeMs);
      await withinMs(client.flush(), 1_000);
    }
    await super.close();
  }

  /** The server refuses messages beyond its limit, and the caller would wait in vain. */
  #fitting(reply: Reply<unknown>): string {
    const text = JSON.stringify(reply);
    const most = (this.#client?.info?.max_payload ?? standardPayloadBytes) - envelopeBytes;
    // A character takes three bytes at most.
    const sizeBytes = text.length * 3 <= most ? 0 : Buffer.byteLength(text);
    if (sizeBytes <= most) return text;
    const message = `expected an answer of at most ${most} bytes, got ${sizeBytes}; ask for fewer with \`limit\``;
    return JSON.stringify({
      ok: false,
      refusal: { code: 'invalid-request', message, errors: [{ field: 'query.limit', message }] },
    } satisfies Reply<unknown>);
  }

  #subscribe(): void {
    const client = this.#client;
    if (client === undefined) return;
    this.#subscribed = this.#answers.map((each) =>
      client.subscribe(each.subject, {
        queue: this.#service,
        callback: (error, message) => {
          if (error === null) void this.#take(each, message);
          else this.#log.error('subscription of a call failed', { call: each.call, error });
        },
      }),
    );
  }

  async #unsubscribe(): Promise<void> {
    const subscribed = this.#subscribed;
    this.#subscribed = [];
    await Promise.allSettled(subscribed.map((each) => each.drain()));
  }

  async #take(each: Answer, message: Msg): Promise<void> {
    const answering = this.#answer(each, message);
    this.#running.add(answering);
    try {
      await answering;
    } catch (error) {
      this.#log.error('call failed before it was answered', { call: each.call, error });
    } finally {
      this.#running.delete(answering);
    }
  }

  async #answer(each: Answer, message: Msg): Promise<void> {
    const observe = processSeconds(this.#kit.metrics, each.subject, this.#service);
    const reply = await each.reply(message.json<unknown>(), this.#kit);
    observe(reply.ok ? undefined : reply.refusal.code);
    message.respond(this.#fitting(reply));
  }
}
