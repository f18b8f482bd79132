import { type z } from 'zod';
import { Problem, problemStatus, type ProblemCode } from '../problems.ts';
import type { Route, RouteAnswer } from './route.ts';
import { SchemaBook } from './schema-book.ts';

/** An OpenAPI 3.1 document as plain data. */
export type OpenApiDocument = Readonly<Record<string, unknown>>;

/** What the document says of itself. */
export const apiInfo = {
  title: 'Signalbox',
  version: '1',
  description:
    'Jobs on devices, with every step in a log. Errors are `application/problem+json` with a stable `code` that name the field and the fix. Every write answers with a `position`; give it as `after` to read what you wrote.',
} as const;

const problemsOfAll: readonly ProblemCode[] = ['invalid-request', 'internal', 'unavailable'];
const problemsOfKeyed: readonly ProblemCode[] = ['unauthenticated', 'forbidden', 'too-many-requests'];

const securityOf = (route: Route): readonly Record<string, readonly string[]>[] => {
  switch (route.access) {
    case 'public':
    case 'enrolment-token':
      return [];
    case 'agent':
      return [{ agentCredential: [] }];
    case 'viewer':
    case 'operator':
    case 'admin':
      return [{ apiKey: [] }, { apiKeyHeader: [] }];
    default:
      return route.access satisfies never;
  }
};

const accessText = (route: Route): string => {
  if (route.access === 'public') return 'No key needed.';
  if (route.access === 'enrolment-token') return 'The one-time token is in the body.';
  return route.access === 'agent' ? 'With the credential of an agent.' : `Needs role ${route.access}.`;
};

const hasKey = (route: Route): boolean => route.access !== 'public' && route.access !== 'enrolment-token';

const problemAnswers = (route: Route): Record<string, unknown> => {
  const codes = new Set([...problemsOfAll, ...(hasKey(route) ? problemsOfKeyed : []), ...route.problems]);
  const answers: Record<string, { description: string; content: unknown }> = {};
  for (const code of codes) {
    const status = String(problemStatus[code]);
    const known = answers[status];
    answers[status] = {
      description: known === undefined ? `\`${code}\`` : `${known.description}, \`${code}\``,
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    };
  }
  return answers;
};

const parametersIn = (place: string, schema: z.ZodType | undefined, book: SchemaBook): unknown[] => {
  if (schema === undefined) return [];
  return book.propertiesOf(schema).map(({ name, required, schema: property, description }) => ({
    name: place === 'header' ? name.replaceAll(/(^|-)[a-z]/g, (letter) => letter.toUpperCase()) : name,
    in: place,
    required: place === 'path' || required,
    ...(description === undefined ? {} : { description }),
    schema: property,
  }));
};

const contentOf = (answer: RouteAnswer, book: SchemaBook): Record<string, unknown> => {
  const type = answer.contentType ?? 'application/json';
  return { [type]: answer.schema === undefined ? {} : { schema: book.output(answer.schema) } };
};

const operationOf = (id: string, route: Route, book: SchemaBook): Record<string, unknown> => {
  const answers = Object.entries(route.answers).map(([status, answer]) => [
    status,
    { description: answer.description, content: contentOf(answer, book) },
  ]);
  return {
    operationId: id,
    tags: [route.tag],
    summary: route.summary,
    description: accessText(route),
    security: securityOf(route),
    parameters: [
      ...parametersIn('path', route.params, book),
      ...parametersIn('query', route.query, book),
      ...parametersIn('header', route.headers, book),
    ],
    ...(route.body === undefined
      ? {}
      : {
          requestBody: {
            required: !route.body.optional,
            content: { 'application/json': { schema: book.input(route.body.schema) } },
          },
        }),
    responses: { ...Object.fromEntries(answers), ...problemAnswers(route) },
  };
};

const securitySchemes = {
  apiKey: { type: 'http', scheme: 'bearer', description: 'API key: `Authorization: Bearer sbk_…`' },
  apiKeyHeader: {
    type: 'apiKey',
    in: 'header',
    name: 'X-API-Key',
    description: 'The same key in its own header',
  },
  agentCredential: { type: 'http', scheme: 'bearer', description: 'Credential of an enrolled agent' },
};

/**
 * The OpenAPI 3.1 document of a table of routes, made from the schemas that validate. Pure: the same table gives the same
 * document.
 */
export const openApiDocument = (
  routes: Readonly<Record<string, Route>>,
  info: { readonly title: string; readonly version: string; readonly description: string } = apiInfo,
): OpenApiDocument => {
  const entries = Object.entries(routes);
  const book = new SchemaBook([
    Problem,
    ...entries.flatMap(([, route]) => Object.values(route.answers).flatMap((each) => each.schema ?? [])),
  ]);
  const paths: Record<string, Record<string, unknown>> = {};
  for (const [id, route] of entries) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(id, route, book) };
  }
  return {
    openapi: '3.1.0',
    info,
    tags: [...new Set(entries.map(([, route]) => route.tag))].map((name) => ({ name })),
    paths,
    components: { schemas: book.components(), securitySchemes },
  };
};
