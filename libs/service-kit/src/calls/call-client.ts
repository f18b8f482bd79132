import { setTimeout as pause } from 'node:timers/promises';
import { NoRespondersError, RequestError, TimeoutError, type NatsConnection } from '@nats-io/transport-node';
import { ClientNats } from '@nestjs/microservices';
import {
  type CallContext,
  DomainError,
  Refusal,
  calls,
  problemStatus,
  type CallAnswer,
  type CallName,
  type CallRequest,
  type ProblemCode,
} from '@signalbox/contracts';
import { z } from 'zod';
import { type Clock } from '../clock.ts';
import { type NatsAccess, natsOptions } from '../nats-access.ts';

/** For how long a call looks for somebody who answers: longer than a lease takes to change hands. */
const standardFindMs = 5_000;
const pauseMs = 100;

const CallReply = z.union([
  z.object({ ok: z.literal(true), value: z.unknown() }),
  z.object({ ok: z.literal(false), refusal: Refusal }),
]);

const isCode = (code: string): code is ProblemCode => Object.hasOwn(problemStatus, code);

/** Decodes the answer of a call. Throws ZodError when the answering service speaks another language. */
const decodeAnswer = <N extends CallName>(call: N, value: unknown): CallAnswer<N> =>
  calls[call].answer.parse(value) as CallAnswer<N>;

/** NATS says at once that nobody is subscribed. */
const isNoResponders = (error: unknown): boolean =>
  error instanceof NoRespondersError || (error instanceof RequestError && error.isNoResponders());

const isTimeout = (error: unknown): boolean =>
  error instanceof TimeoutError || (error instanceof Error && error.cause instanceof TimeoutError);

export interface CallOptions {
  /** Longest wait for an answer once somebody has taken the call; default 5 s. */
  readonly timeoutMs?: number;
  /** For how long somebody who answers is looked for; default 5 s, 0 is one try. */
  readonly findMs?: number;
}

/**
 * The caller's side: commands and queries to other services. The connection is that of Nest's NATS client; requests are
 * made by the connection itself, whose answers share one subscription: Nest's own subscribes anew for each.
 */
export class CallClient {
  readonly #client: ClientNats;
  readonly #clock: Clock;

  /** `service` names the connection on the NATS server. */
  constructor(options: { readonly nats: NatsAccess; readonly service: string; readonly clock: Clock }) {
    this.#client = new ClientNats({ ...natsOptions(options.nats, `${options.service} client`) });
    this.#clock = options.clock;
  }

  async connect(): Promise<void> {
    await this.#client.connect();
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  /** True while NATS can be reached. */
  async isConnected(): Promise<boolean> {
    try {
      await this.#client.connect();
      return true;
    } catch {
      return false;
    }
  }

  /**
   * Asks another service and waits for its answer.
   *
   * @throws DomainError the refusal of the service that answered
   * @throws DomainError `unavailable`: nobody answers calls of this name for 5 s (nothing was done), or the answer did not
   *   come in time (the outcome is unknown)
   */
  async call<N extends CallName>(
    call: N,
    request: CallRequest<N>,
    context: CallContext,
    options: CallOptions = {},
  ): Promise<CallAnswer<N>> {
    const { timeoutMs = 5_000, findMs = standardFindMs } = options;
    const value = await this.#find(call, { context, request }, { timeoutMs, findMs });
    const reply = CallReply.parse(value);
    if (reply.ok) return decodeAnswer(call, reply.value);
    const { code, message, errors, expected } = reply.refusal;
    throw new DomainError(isCode(code) ? code : 'internal', message, {
      errors,
      ...(expected && { expected }),
    });
  }

  async #find(
    call: CallName,
    message: unknown,
    { timeoutMs, findMs }: Required<CallOptions>,
  ): Promise<unknown> {
    const deadline = this.#clock.monotonicMs() + findMs;
    for (;;) {
      try {
        if (await this.isConnected()) return await this.#send(call, message, timeoutMs);
      } catch (error) {
        if (!isNoResponders(error)) throw error;
      }
      if (this.#clock.monotonicMs() >= deadline) {
        throw new DomainError(
          'unavailable',
          `expected a service that answers ${call}, got none for ${findMs} ms; nothing was done`,
        );
      }
      await pause(pauseMs);
    }
  }

  async #send(call: CallName, message: unknown, timeoutMs: number): Promise<unknown> {
    try {
      const connection = this.#client.unwrap<NatsConnection>();
      const payload = JSON.stringify(message);
      const { data } = await connection.request(calls[call].subject, payload, { timeout: timeoutMs });
      return JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString());
    } catch (error) {
      if (isNoResponders(error)) throw error;
      if (error instanceof Error && error.message.includes('max_payload')) {
        throw new DomainError(
          'body-too-large',
          `expected a request that fits into a message, got one that does not`,
          {
            cause: error,
          },
        );
      }
      const why = isTimeout(error) ? `none within ${timeoutMs} ms` : 'a broken connection';
      throw new DomainError(
        'unavailable',
        `expected an answer to ${call}, got ${why}; the outcome is unknown, and a repeat with the same Idempotency-Key is safe`,
        { cause: error },
      );
    }
  }
}
