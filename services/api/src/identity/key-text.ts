import { createHash, randomBytes } from 'node:crypto';

/** A new API key: a prefix that scanners for leaked secrets know, and 256 random bits. */
export const newKey = (): string => `sbk_${randomBytes(32).toString('base64url')}`;

/** SHA-256 of a key, in hexadecimal: enough for 256 random bits, which no list of words holds. */
export const hashKey = (key: string): string => createHash('sha256').update(key).digest('hex');

const longestKey = 256;

/** The key that a request carries: `Authorization: Bearer …` or `X-API-Key`. Undefined without one. */
export const keyOf = (headers: Readonly<Record<string, unknown>>): string | undefined => {
  const { authorization } = headers;
  const own = headers['x-api-key'];
  const [, bearer] =
    typeof authorization === 'string' ? (/^Bearer +(\S+) *$/i.exec(authorization) ?? []) : [];
  const key = bearer ?? (typeof own === 'string' ? own.trim() : undefined);
  return key === undefined || key === '' || key.length > longestKey ? undefined : key;
};
