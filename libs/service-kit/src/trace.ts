import { randomBytes, randomUUID } from 'node:crypto';
import type { Actor, CallContext } from '@signalbox/contracts';

/** W3C trace context, version 00; ids of zeros are invalid. */
const pattern = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/;

/** Goes on with a valid incoming `traceparent` under a new span id, or begins a new sampled trace. */
export const continueTrace = (incoming: unknown): string => {
  const span = randomBytes(8).toString('hex');
  const [, traceId, , flags] = typeof incoming === 'string' ? (pattern.exec(incoming) ?? []) : [];
  return `00-${traceId ?? randomBytes(16).toString('hex')}-${span}-${flags ?? '01'}`;
};

/** The trace id within a `traceparent`; undefined when it is not valid. */
export const traceIdOf = (traceparent: string | undefined): string | undefined =>
  traceparent === undefined ? undefined : pattern.exec(traceparent)?.[1];

/** Context of a new command or query: a random command id, from which the ids of its events derive. */
export const newContext = (actor: Actor, traceparent?: string): CallContext => ({
  commandId: randomUUID(),
  actor,
  ...(traceparent === undefined ? {} : { traceparent }),
});
