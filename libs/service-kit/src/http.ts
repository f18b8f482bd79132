import { FastifyAdapter } from '@nestjs/platform-fastify';
import { DomainError, limits } from '@signalbox/contracts';
import type { FastifyInstance } from 'fastify';
import { type Health } from './health.ts';
import { traceRequests } from './http-trace.ts';
import { KnownRoutes } from './known-routes.ts';
import { type Metrics } from './metrics.ts';
import type { Tracing } from './tracing/tracing.ts';

/** A text that may hold the key `__proto__`, spelt out or with escapes; only then a look at every key is worth its time. */
const mayHoldProto = /__proto__|\\u00/;

/** The JSON parser of every door: an empty body is undefined, a broken one is named as such. */
const parseJson = (body: string | Buffer): unknown => {
  const text = body.toString();
  if (text.trim() === '') return undefined;
  try {
    if (!mayHoldProto.test(text)) return JSON.parse(text);
    return JSON.parse(text, (key, value: unknown) => (key === '__proto__' ? undefined : value));
  } catch (error) {
    const why = error instanceof Error ? error.message.replaceAll(/\s+/g, ' ').slice(0, 160) : 'unreadable';
    throw new DomainError('malformed-json', `expected a body of valid JSON, got ${why}`, { cause: error });
  }
};

/** Fastify for Nest: body limit, JSON only, no proxy trusted, traces and request metrics. */
export const createHttp = (
  metrics: Metrics,
  tracing: Tracing,
): { readonly adapter: FastifyAdapter; readonly routes: KnownRoutes } => {
  const adapter = new FastifyAdapter({
    bodyLimit: limits.requestBodyBytes,
    trustProxy: false,
    logger: false,
    forceCloseConnections: 'idle',
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 200 },
  });
  const routes = new KnownRoutes();
  const instance: FastifyInstance = adapter.getInstance();
  instance.removeAllContentTypeParsers();
  instance.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => {
    try {
      done(null, parseJson(body));
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)));
    }
  });
  const seconds = metrics.durations('http_server_request_duration_seconds', 'Time from request to answer', [
    'http_request_method',
    'http_route',
    'http_response_status_code',
    'url_scheme',
  ]);
  instance.addHook('onRoute', (route) => {
    routes.add(route.method, route.url);
  });
  traceRequests(instance, tracing);
  instance.addHook('onResponse', (request, reply, done) => {
    const labels = {
      http_request_method: request.method,
      http_route: request.routeOptions.url ?? 'none',
      http_response_status_code: reply.statusCode,
      url_scheme: request.protocol,
    };
    seconds.observe(labels, reply.elapsedTime / 1000);
    done();
  });
  return { adapter, routes };
};

/** `/health/live`, `/health/ready`, `/metrics`: on every service's own port, without credential. */
export const addOperationsRoutes = (
  instance: FastifyInstance,
  name: string,
  health: Health,
  metrics: Metrics,
): void => {
  instance.get('/health/live', () => ({ status: 'ok', service: name }));
  instance.get('/health/ready', async (_request, reply) => {
    const { ok, checks } = await health.ready();
    await reply.status(ok ? 200 : 503).send({ status: ok ? 'ok' : 'not ready', service: name, checks });
  });
  instance.get('/metrics', async (_request, reply) => {
    await reply.header('Content-Type', metrics.registry.contentType).send(await metrics.registry.metrics());
  });
};
