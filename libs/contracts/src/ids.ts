import { parse, v5 } from 'uuid';
import { z } from 'zod';

/** An id that may stand in a NATS subject, a stream name and a URL. */
export const idPattern = /^[A-Za-z0-9_-]{1,64}$/;

export const Id = z
  .string()
  .regex(idPattern, 'expected 1 to 64 characters of A-Z, a-z, 0-9, "_" or "-"')
  .meta({ description: 'Identifier: 1 to 64 characters of A-Z, a-z, 0-9, _ and -' });

export const JobId = z.uuid('expected a UUID').meta({ description: 'Id of a job; also its correlation id' });

/** Namespace of every id that Signalbox derives by UUID version 5 (RFC 9562, section 5.5). */
const namespace = parse('6f1d9c5e-3b0a-5c1f-9a52-7d1c0f4f8b11');
const encoder = new TextEncoder();

/**
 * A UUID that is the same for the same parts, on every replica and after every retry.
 * Parts are joined by a character that cannot stand in an id, so ("ab","c") and ("a","bc") differ.
 */
export const deriveId = (...parts: readonly (string | number)[]): string =>
  v5(encoder.encode(parts.join('\u001f')), namespace);

/** Stream names of the aggregates; the only place that builds or takes apart a stream name. */
export const streams = {
  job: (jobId: string) => `job-${jobId}`,
  assignment: (jobId: string, targetId: string) => `assignment-${jobId}-${targetId}`,
  device: (deviceId: string) => `device-${deviceId}`,
  principal: (principalId: string) => `principal-${principalId}`,
} as const;

/** Id of an assignment: the job's id and the target's, joined by a hyphen. */
export const assignmentId = (jobId: string, targetId: string): string => `${jobId}-${targetId}`;

export const instantPattern = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/;

/** Years beyond these do not fit into every database and program that an instant passes through. */
const isInstant = (text: string): boolean => {
  const at = Date.parse(text);
  if (Number.isNaN(at)) return false;
  // `Date` reads the 30th of February as the 2nd of March.
  const isDay = new Date(at).toISOString().startsWith(text.slice(0, 10));
  return isDay && text >= '0001' && text < '9000';
};

export const Instant = z
  .string()
  .regex(instantPattern, 'expected an ISO-8601 instant in UTC such as 2026-01-31T12:00:00.000Z')
  .refine(isInstant, 'expected an existing instant from the year 1 to the year 8999')
  .meta({ description: 'Instant, ISO-8601 in UTC, ending in Z', format: 'date-time' });

export const Sha256 = z
  .string()
  .regex(/^[0-9a-f]{64}$/, 'expected a SHA-256 in 64 lower-case hexadecimal digits')
  .meta({ description: 'SHA-256, lower-case hexadecimal' });

/**
 * A place in the global order of one event store: a fixed-width string that is ordered by its bytes.
 * Increasing, not dense, never subtracted, valid within one `storeId`.
 */
export type Position = string;

export const positionPattern = /^\d{16}$/;
export const Position = z
  .string()
  .regex(positionPattern, 'expected a position as a write or an event carried it (16 digits)')
  .meta({ description: 'Place in the global order of the event store; compare as text, never calculate' });

/** The position before every event. */
export const positionStart: Position = '0'.repeat(16);

export const formatPosition = (value: bigint | number | string): Position => String(value).padStart(16, '0');
