import { setting, type Setting } from '../setting.ts';

/** OpenTelemetry's own variables, as far as they mean something here. Part of `commonSettings`. */
export const tracingSettings = {
  otlpEndpoint: setting.url({
    env: 'OTEL_EXPORTER_OTLP_ENDPOINT',
    meaning:
      'OpenTelemetry collector that takes traces by HTTP; /v1/traces is added. Without it nothing is traced',
    protocols: ['http', 'https'],
    optional: true,
  }),
  otlpHeaders: setting.pairs({
    env: 'OTEL_EXPORTER_OTLP_HEADERS',
    meaning: 'Headers of each export, such as a key; values are URL-encoded',
    secret: true,
    optional: true,
  }),
  otlpProtocol: setting.choice({
    env: 'OTEL_EXPORTER_OTLP_PROTOCOL',
    meaning: 'How spans are encoded',
    choices: ['http/protobuf', 'http/json'],
    default: 'http/protobuf',
  }),
  otlpTimeoutMs: setting.int({
    env: 'OTEL_EXPORTER_OTLP_TIMEOUT',
    meaning: 'Milliseconds after which an export is given up; its spans are lost',
    default: 10_000,
    min: 1,
    max: 60_000,
  }),
  traceSampler: setting.choice({
    env: 'OTEL_TRACES_SAMPLER',
    meaning: 'Which traces are recorded: as the caller decided and, of those that begin here, a share',
    choices: ['parentbased_traceidratio'],
    default: 'parentbased_traceidratio',
  }),
  traceRatio: setting.ratio({
    env: 'OTEL_TRACES_SAMPLER_ARG',
    meaning: 'Share of the traces that begin here which are recorded; 1 is all, 0 none',
    default: 1,
  }),
  resourceAttributes: setting.pairs({
    env: 'OTEL_RESOURCE_ATTRIBUTES',
    meaning: 'Attributes of every span, such as deployment.environment.name=production',
    optional: true,
  }),
} as const;

export type TracingTable = typeof tracingSettings;
export type TracingValues = {
  readonly [K in keyof TracingTable]: TracingTable[K] extends Setting<infer V> ? V : never;
};
