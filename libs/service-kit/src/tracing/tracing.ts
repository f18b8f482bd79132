import { inTrace } from './current-trace.ts';

/** Attributes by their OpenTelemetry names; one that is undefined is left out. Never payloads or secrets. */
export type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** What a span is at its place: `server` and `consumer` begin work that others asked for, `client` waits for others. */
export type SpanKind = 'internal' | 'server' | 'client' | 'consumer';

export interface SpanStart {
  /** `traceparent` of the cause; without a valid one the span begins a trace. */
  readonly parent?: string | null | undefined;
  /** Default internal. */
  readonly kind?: SpanKind;
  readonly attributes?: Attributes;
  /** Milliseconds since 1970; default now. */
  readonly startMs?: number;
}

export interface SpanEnd {
  /** Why the work failed; only its kind is exported, never its message. */
  readonly error?: unknown;
  /** The same, where there is no error to show: a short code. */
  readonly errorType?: string | undefined;
  /** Milliseconds since 1970; default now. */
  readonly endMs?: number;
}

export interface Span {
  /** Parent of what follows from this work; goes into events and calls. */
  readonly traceparent: string | undefined;
  set(attributes: Attributes): void;
  /** Hands the span over for export; one that never ends is never exported. */
  end(how?: SpanEnd): void;
}

/**
 * Spans of one service. While tracing is off a span is nothing but its parent's `traceparent`, so that a trace which
 * came from outside still travels on.
 */
export abstract class Tracing {
  /** Whether spans are recorded at all. */
  abstract readonly isOn: boolean;

  abstract start(name: string, options?: SpanStart): Span;

  /** Spans in the name of another service, for which this one speaks. */
  abstract as(service: string): Tracing;

  /** Exports what is left. */
  abstract close(): Promise<void>;

  /** Runs work within a span, which ends as the work does. Log lines of the work carry the span's ids. */
  async run<T>(name: string, options: SpanStart, work: (span: Span) => Promise<T>): Promise<T> {
    const span = this.start(name, options);
    try {
      const value = await inTrace(span.traceparent, () => work(span));
      span.end();
      return value;
    } catch (error) {
      span.end({ error });
      throw error;
    }
  }
}

const nothing = (): void => undefined;

class NoTracing extends Tracing {
  readonly isOn = false;
  start(_name: string, options?: SpanStart): Span {
    return { traceparent: options?.parent ?? undefined, set: nothing, end: nothing };
  }
  as(): Tracing {
    return this;
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** What a service has while no collector is set: nothing is loaded, recorded or sent. */
export const noTracing: Tracing = new NoTracing();
