/** By what an error shows that a server behind us is away; one list for readers and doors alike. */

/** Codes of Node for connections that fail. */
export const socketErrorCodes: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);

/** Classes of SQLSTATE by which Postgres says that it cannot work now: connection, resources, operator, system. */
export const sqlOutageClasses: readonly string[] = ['08', '53', '57', '58'];

export const sqlStatePattern = /^[0-9A-Z]{5}$/;

/** What `pg` says without a code. */
export const connectionLostPattern =
  /connection (terminated|ended|closed)|not queryable|timeout exceeded when trying to connect|query read timeout/i;
