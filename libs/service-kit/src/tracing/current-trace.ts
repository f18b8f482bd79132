import { AsyncLocalStorage } from 'node:async_hooks';
import { readTraceparent } from '../trace.ts';

const current = new AsyncLocalStorage<string>();

/** Runs work of one trace: every log line that is written meanwhile carries its ids. */
export const inTrace = <T>(traceparent: string | undefined, work: () => T): T =>
  traceparent === undefined ? work() : current.run(traceparent, work);

/** The ids of the trace whose work runs now, under the names that log collectors look for. */
export const currentTraceFields = (): { readonly trace_id?: string; readonly span_id?: string } => {
  const context = readTraceparent(current.getStore());
  return context === undefined ? {} : { trace_id: context.traceId, span_id: context.spanId };
};
