import {
  CallContext,
  type DomainError,
  calls,
  parseRequest,
  type CallAnswer,
  type CallName,
  type CallRequest,
  type Reply,
} from '@signalbox/contracts';
import { z } from 'zod';
import { domainErrorOf } from '../http-problems.ts';
import { type Logger } from '../logger.ts';
import { traceIdOf } from '../trace.ts';

/** What travels as a request. */
const CallMessage = z.object({ context: CallContext, request: z.unknown() });

/** One entry of a service's visible list of the calls that it answers (`calls.ts`). */
export interface Answer {
  readonly call: CallName;
  readonly subject: string;
  readonly reply: (message: unknown, logger: Logger) => Promise<Reply<unknown>>;
}

/** Decodes the request of a call. Throws DomainError `invalid-request` that names each wrong field. */
const decodeRequest = <N extends CallName>(call: N, request: unknown): CallRequest<N> =>
  parseRequest<unknown>(calls[call].request, request) as CallRequest<N>;

const refusalOf = (error: DomainError): Reply<never> => ({
  ok: false,
  refusal: {
    code: error.code,
    message: error.message,
    errors: [...error.errors],
    ...(error.expected === undefined ? {} : { expected: { ...error.expected } }),
  },
});

/**
 * Says how a call is answered. A DomainError that the handler throws reaches the caller as that refusal; any other error
 * reaches it as `internal` without detail and is logged.
 */
export const answer = <N extends CallName>(
  call: N,
  handler: (request: CallRequest<N>, context: CallContext) => Promise<CallAnswer<N>> | CallAnswer<N>,
): Answer => ({
  call,
  subject: calls[call].subject,
  reply: async (message, logger) => {
    let traceId: string | undefined;
    try {
      const { context, request } = parseRequest(CallMessage, message, 'call');
      traceId = traceIdOf(context.traceparent);
      return { ok: true, value: await handler(decodeRequest(call, request), context) };
    } catch (error) {
      const refusal = domainErrorOf(error);
      if (refusal.code === 'internal') logger.error('call failed', { call, traceId, error });
      if (refusal.code === 'unavailable') logger.warn('call failed by an outage', { call, traceId, error });
      return refusalOf(refusal);
    }
  },
});
