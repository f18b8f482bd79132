import type { z } from 'zod';
import type { ApiRole } from '../events/principal.ts';
import type { ProblemCode } from '../problems.ts';

/**
 * Who may come in: anybody, a principal with at least this role, an agent by its credential, or the holder of a
 * one-time enrolment token (in the body).
 */
export type RouteAccess = 'public' | ApiRole | 'agent' | 'enrolment-token';

/** What a route answers with one status. Without schema it is no JSON; `contentType` then says what it is. */
export interface RouteAnswer {
  readonly description: string;
  readonly schema?: z.ZodType;
  readonly contentType?: string;
}

/** One route of the public doors, as data: the same entry authorises, validates and documents. */
export interface Route {
  readonly method: 'GET' | 'POST';
  /** In the router's notation: `/api/v1/jobs/:id`. */
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  readonly access: RouteAccess;
  /** Name in `CommandDenied` when a principal without the role asks for it; null for reads. */
  readonly command: string | null;
  /** While keys cannot be read, one that counted lately counts: somebody has to see what is wrong. */
  readonly admitsKnownKeys?: true;
  readonly params?: z.ZodType;
  readonly query?: z.ZodType;
  readonly headers?: z.ZodType;
  /** `optional`: an empty body stands for `{}`. */
  readonly body?: { readonly schema: z.ZodType; readonly optional: boolean };
  readonly answers: Readonly<Record<number, RouteAnswer>>;
  /** Refusals besides those that every route may give: 400 invalid-request, 401, 403, 429, 500 and 503. */
  readonly problems: readonly ProblemCode[];
}
