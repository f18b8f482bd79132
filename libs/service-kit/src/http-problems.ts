import { HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { DomainError, fieldProblems, limits, problemOf, type Problem } from '@signalbox/contracts';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ZodError } from 'zod';
import type { KnownRoutes } from './known-routes.ts';
import { type Logger } from './logger.ts';
import { isOutage } from './outage.ts';
import { traceIdOf } from './trace.ts';
import { traceparentOf } from './http-trace.ts';

/** Seconds after which a refused caller may try again, by code. */
const usualRetryAfter: Readonly<Record<string, number>> = {
  unavailable: 2,
  'not-caught-up': 1,
  'too-many-requests': 1,
};

/** Refusals of the HTTP server itself, in our words. */
const serverRefusals: Readonly<Record<string, () => DomainError>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: () =>
    new DomainError(
      'body-too-large',
      `expected a body of at most ${limits.requestBodyBytes} bytes, got a larger one`,
    ),
  FST_ERR_CTP_INVALID_MEDIA_TYPE: () =>
    new DomainError(
      'unsupported-media-type',
      'expected a body with Content-Type application/json, got another type',
    ),
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: () =>
    new DomainError('invalid-request', 'expected a body as long as Content-Length says, got another length'),
};

const serverRefusalOf = (error: unknown): DomainError | undefined => {
  const origin = error instanceof HttpException ? error.cause : error;
  if (!(origin instanceof Error) || !('code' in origin) || typeof origin.code !== 'string') return undefined;
  return Object.hasOwn(serverRefusals, origin.code) ? serverRefusals[origin.code]?.() : undefined;
};

const byStatus = (status: number, message: string): DomainError | undefined => {
  switch (status) {
    case 400:
      return new DomainError('invalid-request', message);
    case 404:
      return new DomainError('not-found', message);
    case 413:
      return new DomainError('body-too-large', message);
    case 415:
      return new DomainError('unsupported-media-type', message);
    case 503:
      return new DomainError('unavailable', message);
    default:
      return undefined;
  }
};

const statusOf = (error: unknown): number | undefined => {
  if (error instanceof HttpException) return error.getStatus();
  if (error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number')
    return error.statusCode;
  return undefined;
};

/** Any thrown thing as a refusal that names the fix; what nobody foresaw becomes `internal` and says nothing more. */
export const domainErrorOf = (error: unknown): DomainError => {
  if (error instanceof DomainError) return error;
  if (error instanceof ZodError) {
    return new DomainError('invalid-request', 'expected a valid request', {
      errors: fieldProblems(error),
      cause: error,
    });
  }
  const refusal = serverRefusalOf(error);
  if (refusal !== undefined) return refusal;
  const status = statusOf(error);
  const known =
    status === undefined ? undefined : byStatus(status, error instanceof Error ? error.message : '');
  if (known !== undefined) return known;
  if (isOutage(error)) {
    return new DomainError(
      'unavailable',
      'expected an answer of a server behind this one, got none; the outcome is unknown, and a repeat with the same Idempotency-Key is safe',
      { cause: error },
    );
  }
  return new DomainError(
    'internal',
    'the request failed for a reason of ours; the log has it under this trace id',
    { cause: error },
  );
};

/** What the refusal itself says, else what is usual for its code. */
const retryAfterOf = ({ code, expected }: DomainError): number | undefined => {
  const own = expected?.['retryAfterSeconds'];
  return typeof own === 'number' ? own : usualRetryAfter[code];
};

/** Answers one refusal as `application/problem+json`, with `Retry-After` where trying again makes sense. */
export const sendProblem = (reply: FastifyReply, error: DomainError, traceId?: string): void => {
  const problem: Problem = problemOf(error, traceId);
  const retryAfter = retryAfterOf(error);
  if (retryAfter !== undefined) void reply.header('Retry-After', String(retryAfter));
  // The rest of a large body is read and dropped: a connection that is closed under its sender loses the answer, too.
  if (problem.status === 413) void reply.removeHeader('connection');
  if (problem.status === 401) void reply.header('WWW-Authenticate', 'Bearer realm="signalbox"');
  void reply
    .status(problem.status)
    .header('Content-Type', 'application/problem+json; charset=utf-8')
    .send(JSON.stringify(problem));
};

/** The one exception filter of a service: everything that is thrown leaves as problem+json. */
export class ProblemFilter implements ExceptionFilter {
  readonly #logger: Logger;
  readonly #routes: KnownRoutes;
  constructor(logger: Logger, routes: KnownRoutes) {
    this.#logger = logger;
    this.#routes = routes;
  }

  catch(thrown: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<FastifyRequest>();
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    const traceId = traceIdOf(traceparentOf(request));
    const error = this.#unrouted(request, reply, thrown) ?? domainErrorOf(thrown);
    if (error.code === 'internal' || (error.code === 'unavailable' && error !== thrown)) {
      const level = error.code === 'internal' ? 'error' : 'warn';
      this.#logger[level]('request failed', {
        method: request.method,
        route: request.routeOptions.url,
        error: thrown,
      });
    }
    if (reply.raw.headersSent) {
      reply.raw.destroy();
      return;
    }
    sendProblem(reply, error, traceId);
  }

  /** 404 of the router: tells a path that does not exist from a method that the path does not have. */
  #unrouted(request: FastifyRequest, reply: FastifyReply, thrown: unknown): DomainError | undefined {
    if (!(thrown instanceof HttpException) || thrown.getStatus() !== 404) return undefined;
    const path = request.url.split('?')[0] ?? '';
    const methods = this.#routes.methodsOf(path);
    if (methods.length === 0) {
      return new DomainError('not-found', `expected a path of this API, got ${path.slice(0, 200)}`);
    }
    void reply.header('Allow', methods.join(', '));
    return new DomainError(
      'method-not-allowed',
      `expected ${methods.join(' or ')} on this path, got ${request.method}`,
    );
  }
}
