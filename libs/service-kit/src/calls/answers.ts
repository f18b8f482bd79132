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
import { jobIdAttribute } from '../tracing/event-attributes.ts';
import type { Attributes, Tracing } from '../tracing/tracing.ts';

/** What travels as a request. */
const CallMessage = z.object({ context: CallContext, request: z.unknown() });

/** One entry of a service's visible list of the calls that it answers (`calls.ts`). */
export interface Answer {
  readonly call: CallName;
  readonly subject: string;
  readonly reply: (message: unknown, to: AnswerKit) => Promise<Reply<unknown>>;
}

export interface AnswerKit {
  readonly logger: Logger;
  readonly tracing: Tracing;
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
  reply: async (message, { logger, tracing }) => {
    try {
      const { context, request } = parseRequest(CallMessage, message, 'call');
      const { subject } = calls[call];
      const start = {
        parent: context.traceparent,
        kind: 'consumer',
        attributes: attributesOf(subject),
      } as const;
      return await tracing.run(`process ${subject}`, start, async (span) => {
        const { traceparent } = span;
        const within = traceparent === undefined ? context : { ...context, traceparent };
        const value = await loggingFailure(call, logger, async () =>
          handler(decodeRequest(call, request), within),
        );
        span.set({ [jobIdAttribute]: jobOf(value) ?? jobOf(request) });
        return { ok: true, value };
      });
    } catch (error) {
      return refusalOf(domainErrorOf(error));
    }
  },
});

/** Within the call's trace, so that the line carries its ids. */
const loggingFailure = async <T>(call: CallName, logger: Logger, work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (error) {
    const { code } = domainErrorOf(error);
    if (code === 'internal') logger.error('call failed', { call, error });
    if (code === 'unavailable') logger.warn('call failed by an outage', { call, error });
    throw error;
  }
};

const attributesOf = (subject: string): Attributes => ({
  'messaging.system': 'nats',
  'messaging.operation.name': 'process',
  'messaging.operation.type': 'process',
  'messaging.destination.name': subject,
});

const jobOf = (value: unknown): string | undefined =>
  typeof value === 'object' && value !== null && 'jobId' in value && typeof value.jobId === 'string'
    ? value.jobId
    : undefined;
