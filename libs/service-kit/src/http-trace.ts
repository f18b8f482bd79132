import { agentPrefix } from '@signalbox/contracts';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { continueTrace } from './trace.ts';
import { inTrace } from './tracing/current-trace.ts';
import type { Attributes, Span, Tracing } from './tracing/tracing.ts';

type Request = Pick<FastifyRequest, 'headers'>;

const traces = new WeakMap<object, string>();
const spans = new WeakMap<object, Span>();

/** The `traceparent` under which a request is handled: the caller's trace where it sent one. Same for the whole request. */
export const traceparentOf = (request: Request): string => {
  const known = traces.get(request);
  if (known !== undefined) return known;
  const traceparent = continueTrace(request.headers.traceparent);
  traces.set(request, traceparent);
  return traceparent;
};

/** Adds to the span of a request what only its handler knows. */
export const describeRequest = (request: Request, attributes: Attributes): void =>
  spans.get(request)?.set(attributes);

/** The way of a request that nobody's work depends on, and agents' polls, would bury what is worth looking at. */
const isTraced = (request: FastifyRequest): boolean => {
  const { url } = request.routeOptions;
  return url !== undefined && !/^\/(health\/|metrics$)/.test(url) && !url.startsWith(agentPrefix);
};

const begin = (tracing: Tracing, request: FastifyRequest): void => {
  if (!tracing.isOn || !isTraced(request)) return;
  const { method } = request;
  const route = request.routeOptions.url;
  const path = request.url.split('?')[0] ?? '';
  const { traceparent } = request.headers;
  const span = tracing.start(`${method} ${route}`, {
    kind: 'server',
    parent: typeof traceparent === 'string' ? traceparent : undefined,
    attributes: {
      'http.request.method': method,
      'http.route': route,
      'url.path': path,
      'url.scheme': request.protocol,
    },
  });
  spans.set(request, span);
  if (span.traceparent !== undefined) traces.set(request, span.traceparent);
};

/** One server span for each request of people and programs; log lines of every request carry its trace. */
export const traceRequests = (instance: FastifyInstance, tracing: Tracing): void => {
  instance.addHook('onRequest', (request, _reply, done) => {
    begin(tracing, request);
    inTrace(traceparentOf(request), done);
  });
  // The body arrives in the context of its connection.
  instance.addHook('preValidation', (request, _reply, done) => inTrace(traceparentOf(request), done));
  instance.addHook('onResponse', (request, reply, done) => {
    const span = spans.get(request);
    span?.set({ 'http.response.status_code': reply.statusCode });
    span?.end(reply.statusCode < 500 ? {} : { errorType: String(reply.statusCode) });
    done();
  });
};
