import { DomainError, apiRoutes, parseRequest, type Route } from '@signalbox/contracts';
import type { FastifyRequest } from 'fastify';
import type { z } from 'zod';

type Parsed<S> = S extends z.ZodType ? z.output<S> : undefined;

/** The parts of a request as the route's schemas read them; a part without schema is undefined. */
export interface Input<R extends Route> {
  readonly params: Parsed<R['params']>;
  readonly query: Parsed<R['query']>;
  readonly headers: Parsed<R['headers']>;
  readonly body: Parsed<R['body'] extends { readonly schema: infer S } ? S : undefined>;
}

/** Words that will name something under `/jobs`; none of them is ever read as a job's id. */
const reservedWords = new Set([
  'templates',
  'execute',
  'executions',
  'handlers',
  'schedules',
  'catalog',
  'start',
  'stop',
  'restart',
  'status',
  'output',
  'running',
  'history',
]);

const jobPath = apiRoutes.getJob.path;

const refuseReservedWord = (route: Route, params: unknown): void => {
  if (!route.path.startsWith(jobPath) || typeof params !== 'object' || params === null || !('id' in params))
    return;
  if (typeof params.id !== 'string' || !reservedWords.has(params.id)) return;
  throw new DomainError(
    'not-found',
    `expected the id of a job (a UUID), got the reserved word "${params.id}", which names nothing in this version`,
  );
};

const parseIf = (schema: z.ZodType | undefined, value: unknown, prefix: string): unknown =>
  schema === undefined ? undefined : parseRequest(schema, value, prefix);

const parseBody = (body: NonNullable<Route['body']>, value: unknown): unknown => {
  if (value !== undefined && value !== null) return parseRequest(body.schema, value);
  if (body.optional) return parseRequest(body.schema, {});
  throw new DomainError('invalid-request', 'expected a JSON body, got none', {
    errors: [
      { field: '(body)', message: 'expected a JSON object with Content-Type application/json, got none' },
    ],
  });
};

/**
 * Decodes a request by its route's schemas.
 *
 * @throws DomainError `invalid-request` that names each wrong field, `not-found` for a reserved word
 */
export const inputOf = <const R extends Route>(route: R, request: FastifyRequest): Input<R> => {
  refuseReservedWord(route, request.params);
  const input: { readonly [K in keyof Input<R>]: unknown } = {
    params: parseIf(route.params, request.params, 'path'),
    query: parseIf(route.query, request.query, 'query'),
    headers: parseIf(route.headers, request.headers, 'header'),
    body: route.body === undefined ? undefined : parseBody(route.body, request.body),
  };
  return input as Input<R>;
};
