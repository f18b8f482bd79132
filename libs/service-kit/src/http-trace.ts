import type { FastifyRequest } from 'fastify';
import { continueTrace } from './trace.ts';

const traces = new WeakMap<object, string>();

/** The `traceparent` under which a request is handled: the caller's trace where it sent one. Same for the whole request. */
export const traceparentOf = (request: Pick<FastifyRequest, 'headers'>): string => {
  const known = traces.get(request);
  if (known !== undefined) return known;
  const traceparent = continueTrace(request.headers.traceparent);
  traces.set(request, traceparent);
  return traceparent;
};
