import { DomainError } from '@signalbox/contracts';

/** Opaque to callers: where a page ended, as base64url of JSON texts. */
export const encodeCursor = (parts: readonly string[]): string =>
  Buffer.from(JSON.stringify(parts), 'utf8').toString('base64url');

const parse = (cursor: string): unknown => {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
};

const isTexts = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((each) => typeof each === 'string');

/**
 * Takes a cursor apart into texts that match the patterns.
 *
 * @throws DomainError `invalid-request` for a cursor that no page of this list has given
 */
export const decodeCursor = (cursor: string, patterns: readonly RegExp[]): readonly string[] => {
  const parts = parse(cursor);
  const fits =
    isTexts(parts) &&
    parts.length === patterns.length &&
    patterns.every((pattern, index) => pattern.test(parts[index] ?? ''));
  if (fits) return parts;
  const message = 'expected `nextCursor` of the page before, got another text; leave it out to start anew';
  throw new DomainError('invalid-request', `query.cursor: ${message}`, {
    errors: [{ field: 'query.cursor', message }],
  });
};
