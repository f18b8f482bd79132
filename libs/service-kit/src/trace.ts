import { randomUUID } from 'node:crypto';
import type { Actor, CallContext } from '@signalbox/contracts';

/** W3C trace context, version 00; ids of zeros are invalid. */
const pattern = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/;
const sampledFlag = 1;

/** What a `traceparent` says. */
export interface TraceContext {
  readonly traceId: string;
  readonly spanId: string;
  readonly flags: number;
}

/** Reads a `traceparent`; undefined when it is not valid. */
export const readTraceparent = (text: unknown): TraceContext | undefined => {
  const [, traceId, spanId, flags] = typeof text === 'string' ? (pattern.exec(text) ?? []) : [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  return { traceId, spanId, flags: Number.parseInt(flags, 16) };
};

export const writeTraceparent = ({ traceId, spanId, flags }: TraceContext): string =>
  `00-${traceId}-${spanId}-${flags.toString(16).padStart(2, '0')}`;

/** Whether the spans of this trace are recorded. */
export const isSampled = (traceparent: string | undefined | null): boolean =>
  typeof traceparent === 'string' && ((readTraceparent(traceparent)?.flags ?? 0) & sampledFlag) !== 0;

/** 122 random bits in 32 hexadecimal digits, never all zeros; Node draws them in advance, unlike `randomBytes`. */
const randomHex = (): string => randomUUID().replaceAll('-', '');

/** Goes on with a valid incoming `traceparent` under a new span id, or begins a new trace that nobody records. */
export const continueTrace = (incoming: unknown): string => {
  const context = readTraceparent(incoming);
  return writeTraceparent({
    traceId: context?.traceId ?? randomHex(),
    spanId: randomHex().slice(16),
    flags: context?.flags ?? 0,
  });
};

/** The trace id within a `traceparent`; undefined when it is not valid. */
export const traceIdOf = (traceparent: string | undefined): string | undefined =>
  readTraceparent(traceparent)?.traceId;

/** Context of a new command or query: a random command id, from which the ids of its events derive. */
export const newContext = (actor: Actor, traceparent?: string): CallContext => ({
  commandId: randomUUID(),
  actor,
  ...(traceparent === undefined ? {} : { traceparent }),
});
