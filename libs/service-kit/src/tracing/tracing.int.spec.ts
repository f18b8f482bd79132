import { spawn } from 'node:child_process';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { startCollector, type Collector } from '@signalbox/testkit';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const spanId = '00f067aa0ba902b7';
const incoming = `00-${traceId}-${spanId}-01`;
const program = new URL('../testing/traced-program.ts', import.meta.url).pathname;

let collector: Collector;
beforeEach(async () => {
  collector = await startCollector();
});
afterEach(() => collector.close());

interface Outcome {
  readonly traceparent: string;
  readonly loaded: readonly string[];
  readonly log: readonly Readonly<Record<string, unknown>>[];
}

/** Runs the program as a process of its own, so that what it loads is its own. */
const run = async (settings: Readonly<Record<string, string>>, traceparent = incoming): Promise<Outcome> => {
  const env = {
    PATH: process.env['PATH'],
    DATABASE_URL: 'postgres://u@h/d',
    NATS_URL: 'nats://h',
    ...settings,
  };
  const child = spawn(process.execPath, [program, traceparent], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (part: Buffer) => (text += part.toString()));
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`expected exit code 0, got ${String(code)}: ${text}`);
  const lines = text
    .trim()
    .split('\n')
    .map((line): Record<string, unknown> => JSON.parse(line));
  const last = lines.pop();
  if (last === undefined) throw new Error('expected a result, got none');
  return { ...last, log: lines } as unknown as Outcome;
};

it('loads and sends nothing without a collector, and passes a trace on', async () => {
  const { traceparent, loaded } = await run({ OTEL_TRACES_SAMPLER_ARG: '1' });
  expect(loaded.filter((name) => /sdk|export|otlp/.test(name))).toEqual([]);
  expect(traceparent).toMatch(new RegExp(`^00-${traceId}-(?!${spanId})[0-9a-f]{16}-01$`));
  expect(collector.exports).toEqual([]);
});

it('begins no trace that others would record while it records none', async () => {
  expect((await run({}, '')).traceparent).toMatch(/-00$/);
});

it('exports the span of a request below the caller’s, before it stops', async () => {
  const { traceparent, loaded, log } = await run({
    OTEL_EXPORTER_OTLP_ENDPOINT: `${collector.url}/`,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_EXPORTER_OTLP_HEADERS: 'x-key=a%20b',
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
  });
  expect(loaded).toContain('sdk-trace');
  const [span, ...others] = collector.spans();
  expect(others).toEqual([]);
  expect(span).toMatchObject({
    service: 'signalbox-probe',
    name: 'POST /things/:id',
    traceId,
    parentSpanId: spanId,
    failed: false,
    attributes: {
      'http.request.method': 'POST',
      'http.route': '/things/:id',
      'url.path': '/things/1',
      'http.response.status_code': expect.anything(),
      'signalbox.job.id': 'a-job',
    },
  });
  expect(traceparent).toBe(`00-${traceId}-${span?.spanId}-01`);
  expect(collector.exports).toMatchObject([{ path: '/v1/traces', headers: { 'x-key': 'a b' } }]);
  expect(collector.exports[0]?.body.toString()).toContain('deployment.environment.name');
  const line = log.find((each) => each['msg'] === 'a thing was asked for');
  expect(line).toMatchObject({ trace_id: traceId, span_id: span?.spanId });
});

it('exports as protobuf unless told otherwise', async () => {
  await run({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url });
  expect(collector.exports).toMatchObject([
    { path: '/v1/traces', headers: { 'content-type': 'application/x-protobuf' } },
  ]);
  const body = collector.exports[0]?.body ?? Buffer.alloc(0);
  expect(body.includes(Buffer.from(traceId, 'hex'))).toBe(true);
  expect(body.includes('signalbox-probe')).toBe(true);
});

it('records as the caller decided, and of its own traces the share that is set', async () => {
  const settings = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_TRACES_SAMPLER_ARG: '0' };
  expect((await run(settings, '')).traceparent).toMatch(/-00$/);
  expect((await run(settings, incoming.replace(/01$/, '00'))).traceparent).toMatch(/-00$/);
  expect(collector.exports).toEqual([]);
  expect((await run(settings)).traceparent).toMatch(/-01$/);
  expect(collector.exports.length).toBe(1);
});

it('says that spans are lost, and goes on, when the collector refuses them', async () => {
  const refusing = await startCollector(400);
  const { log } = await run({ OTEL_EXPORTER_OTLP_ENDPOINT: refusing.url });
  await refusing.close();
  expect(log.find((each) => each['msg'] === 'spans could not be exported and are lost')).toMatchObject({
    level: 'warn',
    count: 1,
  });
});
