import {
  ROOT_CONTEXT,
  SpanKind as OtelKind,
  SpanStatusCode,
  type Context,
  type Span as OtelSpan,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { resources, tracing } from '@opentelemetry/sdk-node';
import { DomainError, problemStatus } from '@signalbox/contracts';
import type { Logger } from '../logger.ts';
import { readTraceparent, writeTraceparent } from '../trace.ts';
import { reportingExporter } from './reporting-exporter.ts';
import {
  Tracing,
  type Attributes,
  type Span,
  type SpanEnd,
  type SpanKind,
  type SpanStart,
} from './tracing.ts';
import type { TracingValues } from './tracing-settings.ts';

/** Ended spans that wait for an export; beyond that the newest are dropped. */
const queued = 8_192;
const exportEveryMs = 1_000;

const kinds: Readonly<Record<SpanKind, OtelKind>> = {
  internal: OtelKind.INTERNAL,
  server: OtelKind.SERVER,
  client: OtelKind.CLIENT,
  consumer: OtelKind.CONSUMER,
};

const given = (attributes: Attributes): Record<string, string | number | boolean> =>
  Object.fromEntries(
    Object.entries(attributes).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );

const parentOf = (traceparent: string | null | undefined): Context => {
  const context = readTraceparent(traceparent);
  if (context === undefined) return ROOT_CONTEXT;
  const { traceId, spanId, flags } = context;
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: flags, isRemote: true });
};

/** The kind of an error: the code of a refusal, else its class. */
const typeOf = (error: unknown): string => {
  if (error instanceof DomainError) return error.code;
  return error instanceof Error ? error.name : typeof error;
};

class RecordedSpan implements Span {
  readonly traceparent: string;
  readonly #span: OtelSpan;
  constructor(span: OtelSpan) {
    this.#span = span;
    const { traceId, spanId, traceFlags } = span.spanContext();
    this.traceparent = writeTraceparent({ traceId, spanId, flags: traceFlags });
  }

  set(attributes: Attributes): void {
    this.#span.setAttributes(given(attributes));
  }

  /** A refusal of the caller's doing is named and is no failure of the span. */
  end({ error, errorType, endMs }: SpanEnd = {}): void {
    if (error !== undefined || errorType !== undefined) {
      this.#span.setAttribute('error.type', errorType ?? typeOf(error));
      const isOurs = !(error instanceof DomainError) || problemStatus[error.code] >= 500;
      if (isOurs) this.#span.setStatus({ code: SpanStatusCode.ERROR });
    }
    this.#span.end(endMs);
  }
}

export interface OtlpOptions {
  readonly service: string;
  /** This start of it, as leases and checks name it. */
  readonly instance: string;
  readonly version: string;
  readonly values: TracingValues;
  readonly endpoint: string;
  readonly logger: Logger;
}

const createExporter = async ({ values, endpoint }: OtlpOptions): Promise<tracing.SpanExporter> => {
  const { OTLPTraceExporter } =
    values.otlpProtocol === 'http/json'
      ? await import('@opentelemetry/exporter-trace-otlp-http')
      : await import('@opentelemetry/exporter-trace-otlp-proto');
  return new OTLPTraceExporter({
    url: `${endpoint.replace(/\/+$/, '')}/v1/traces`,
    headers: { ...values.otlpHeaders },
    timeoutMillis: values.otlpTimeoutMs,
  });
};

/**
 * Spans that OpenTelemetry's SDK exports. The provider is this service's own and not the process's: several services may
 * run in one process, each under its own name.
 */
class OtlpTracing extends Tracing {
  readonly isOn = true;
  readonly #options: OtlpOptions;
  readonly #processor: tracing.SpanProcessor;
  readonly #tracer: Tracer;

  constructor(options: OtlpOptions, processor: tracing.SpanProcessor) {
    super();
    this.#options = options;
    this.#processor = processor;
    const { service, instance, version, values } = options;
    const provider = new tracing.BasicTracerProvider({
      resource: resources.resourceFromAttributes({
        ...values.resourceAttributes,
        'service.namespace': 'signalbox',
        'service.name': `signalbox-${service}`,
        'service.version': version,
        'service.instance.id': instance,
      }),
      sampler: new tracing.ParentBasedSampler({
        root: new tracing.TraceIdRatioBasedSampler(values.traceRatio),
      }),
      spanProcessors: [processor],
    });
    this.#tracer = provider.getTracer('signalbox', version);
  }

  start(name: string, { parent, kind = 'internal', attributes = {}, startMs }: SpanStart = {}): Span {
    const options = {
      kind: kinds[kind],
      attributes: given(attributes),
      ...(startMs === undefined ? {} : { startTime: startMs }),
    };
    return new RecordedSpan(this.#tracer.startSpan(name, options, parentOf(parent)));
  }

  as(service: string): Tracing {
    return new OtlpTracing({ ...this.#options, service }, this.#processor);
  }

  async close(): Promise<void> {
    await this.#processor.shutdown();
  }
}

/** Starts to export spans. Nothing of OpenTelemetry is loaded before this module is. */
export const startOtlpTracing = async (options: OtlpOptions): Promise<Tracing> => {
  const exporter = reportingExporter(await createExporter(options), options.logger);
  return new OtlpTracing(
    options,
    new tracing.BatchSpanProcessor(exporter, { maxQueueSize: queued, scheduledDelayMillis: exportEveryMs }),
  );
};
