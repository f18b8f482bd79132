import { z } from 'zod';

/** Every error code of the product with the HTTP status it is answered with. Codes are stable. */
export const problemStatus = {
  'invalid-request': 400,
  'malformed-json': 400,
  'unsupported-target': 400,
  'unknown-target': 400,
  unauthenticated: 401,
  'token-invalid': 401,
  forbidden: 403,
  'not-found': 404,
  'method-not-allowed': 405,
  'attempt-ended': 409,
  'not-claimable': 409,
  conflict: 409,
  'output-mismatch': 409,
  'output-gap': 409,
  'body-too-large': 413,
  'unsupported-media-type': 415,
  'idempotency-key-reused': 422,
  'too-many-requests': 429,
  internal: 500,
  unavailable: 503,
  'not-caught-up': 503,
} as const;
export type ProblemCode = keyof typeof problemStatus;

export const FieldProblem = z.object({
  field: z.string().meta({ description: 'Where, such as `document.steps.0.input.command`' }),
  message: z.string().meta({ description: 'What was expected, what came, and what to do' }),
});
export type FieldProblem = z.output<typeof FieldProblem>;

/** RFC 9457 problem details. */
export const Problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.string().meta({ description: 'Stable error code' }),
    detail: z.string(),
    errors: z.array(FieldProblem).optional(),
    expected: z
      .record(z.string(), z.unknown())
      .optional()
      .meta({ description: 'What to continue with, such as `nextSequence`' }),
    traceId: z.string().optional(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem details' });
export type Problem = z.output<typeof Problem>;

/**
 * A refusal that a caller can understand and mend. Thrown by deciders and handlers, mapped once per edge
 * (problem+json, reply of a command, exit code). Never holds a secret or a whole payload.
 */
export class DomainError extends Error {
  readonly code: ProblemCode;
  readonly errors: readonly FieldProblem[];
  readonly expected: Readonly<Record<string, unknown>> | undefined;
  constructor(
    code: ProblemCode,
    message: string,
    more: {
      readonly errors?: readonly FieldProblem[];
      readonly expected?: Readonly<Record<string, unknown>>;
      readonly cause?: unknown;
    } = {},
  ) {
    super(message, { cause: more.cause });
    this.name = 'DomainError';
    this.code = code;
    this.errors = more.errors ?? [];
    this.expected = more.expected;
  }
}

const fieldOf = (path: readonly PropertyKey[]): string =>
  path.length === 0 ? '(body)' : path.map(String).join('.');

const issueMessage = (issue: z.core.$ZodIssue): string => {
  if (issue.code === 'unrecognized_keys') {
    return `unknown field${issue.keys.length > 1 ? 's' : ''} ${issue.keys.map((key) => `"${key}"`).join(', ')}; remove or correct the spelling`;
  }
  return issue.message;
};

/** All problems of a refused value, each with its field. `prefix` names the part of the request, such as `query`. */
export const fieldProblems = (error: z.ZodError, prefix = ''): FieldProblem[] =>
  error.issues.map((issue) => ({
    field: prefix === '' ? fieldOf(issue.path) : [prefix, ...issue.path.map(String)].join('.'),
    message: issueMessage(issue),
  }));

/** Validates at a door: the typed value, or a {@link DomainError} `invalid-request` that names every wrong field. */
export const parseRequest = <T>(schema: z.ZodType<T>, value: unknown, prefix = ''): T => {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const errors = fieldProblems(parsed.error, prefix);
  throw new DomainError(
    'invalid-request',
    `expected a valid request, got ${errors.length} problem${errors.length === 1 ? '' : 's'}: ${errors
      .map((each) => `${each.field}: ${each.message}`)
      .slice(0, 5)
      .join('; ')}`,
    { errors },
  );
};

export const problemOf = (error: DomainError, traceId?: string): Problem => ({
  type: `urn:signalbox:problem:${error.code}`,
  title: error.code.replaceAll('-', ' '),
  status: problemStatus[error.code],
  code: error.code,
  detail: error.message,
  ...(error.errors.length > 0 ? { errors: [...error.errors] } : {}),
  ...(error.expected === undefined ? {} : { expected: { ...error.expected } }),
  ...(traceId === undefined ? {} : { traceId }),
});
