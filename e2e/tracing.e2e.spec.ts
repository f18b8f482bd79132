import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { JobAccepted } from '@signalbox/contracts';
import { type CollectedSpan, type Collector, eventually, startCollector } from '@signalbox/testkit';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type RunningAgent, startAgent } from './src/agents.ts';
import { auditOf, stepsJob, untilEnd } from './src/jobs.ts';
import { enrolDevice } from './src/device.ts';
import { type Stack, openStack } from './src/stack.ts';

let collector: Collector;
let stack: Stack;
let agent: RunningAgent;

beforeAll(async () => {
  collector = await startCollector();
  const telemetry = {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
  };
  const services = ['api', 'scheduler', 'dispatcher', 'device-gateway', 'audit'];
  stack = await openStack({ settings: Object.fromEntries(services.map((name) => [name, telemetry])) });
  agent = await startAgent(stack, 'pi-1');
});

afterAll(async () => {
  await stack?.close();
  await collector?.close();
});

interface Caller {
  readonly traceId: string;
  readonly spanId: string;
  readonly jobId: string;
}

/** Creates a job as a program with a trace of its own would. */
const createJob = async (flags: string, commands: Readonly<Record<string, string>>): Promise<Caller> => {
  const traceId = randomBytes(16).toString('hex');
  const spanId = randomBytes(8).toString('hex');
  const headers = { traceparent: `00-${traceId}-${spanId}-${flags}` };
  const answer = await stack.admin.post('/api/v1/jobs', stepsJob(agent.deviceId, commands), headers);
  return { traceId, spanId, jobId: JobAccepted.parse(answer).jobId };
};

const spansOf = (traceId: string): readonly CollectedSpan[] =>
  collector.spans().filter((span) => span.traceId === traceId);

/** The one span of a name within a trace. */
const oneOf = (spans: readonly CollectedSpan[], service: string, name: string): CollectedSpan => {
  const found = spans.filter((span) => span.service === `signalbox-${service}` && span.name === name);
  const [span] = found;
  if (span === undefined || found.length > 1) {
    const names = spans.map((each) => `${each.service} ${each.name}`).toSorted();
    throw new Error(`expected one span ${service} ${name}, got ${found.length} among:\n${names.join('\n')}`);
  }
  return span;
};

/** The `traceparent` of each event of a job, in the order of the log, once its end is in the audit log. */
const storedContexts = async (jobId: string): Promise<readonly string[]> => {
  await auditOf(stack, jobId);
  const text = 'select traceparent from audit_logs where correlation_id = $1 order by position';
  return (await stack.audit(text, [jobId])).map((row) => String(row['traceparent']));
};

/** Request, call, assign, claim, status; four events published, processed by dispatcher and audit; attempt, steps, output. */
const spansOfTwoSteps = 5 + 3 * 4 + 1 + 2 + 1;
const processed = 'process events.';
const published = 'publish events.';

it('a job is one trace, from its request over the agent to the audit log', async () => {
  const caller = await createJob('01', { first: 'echo one; sleep 0.3; echo two', second: 'exit 3' });
  const { jobId, traceId } = caller;
  await untilEnd(stack.admin, jobId);
  const contexts = await storedContexts(jobId);
  expect(contexts.length).toBe(4);
  const spans = await eventually(
    () => {
      const all = spansOf(traceId);
      if (all.length < spansOfTwoSteps) throw new Error(`${all.length} spans`);
      return all;
    },
    { what: `${spansOfTwoSteps} spans of the job`, timeoutMs: 20_000 },
  );
  expect(spans.length).toBe(spansOfTwoSteps);
  const request = oneOf(spans, 'api', 'POST /api/v1/jobs');
  const create = oneOf(spans, 'scheduler', 'process scheduler.job.create');
  const assign = oneOf(spans, 'dispatcher', 'assign');
  const claim = oneOf(spans, 'device-gateway', 'claim');
  const status = oneOf(spans, 'device-gateway', 'status');
  const attempt = oneOf(spans, 'agent', 'attempt');
  const output = oneOf(spans, 'agent', 'send output');
  const steps = spans.filter((span) => span.service === 'signalbox-agent' && span.name === 'step');

  expect(request.parentSpanId).toBe(caller.spanId);
  expect(create.parentSpanId).toBe(request.spanId);
  expect(assign.parentSpanId).toBe(create.spanId);
  expect(claim.parentSpanId).toBe(assign.spanId);
  expect(attempt.parentSpanId).toBe(claim.spanId);
  expect(status.parentSpanId).toBe(claim.spanId);
  expect([output, ...steps].map((span) => span.parentSpanId)).toEqual(Array(3).fill(attempt.spanId));
  expect(steps.map((span) => [span.attributes['signalbox.step.name'], span.failed])).toEqual([
    ['first', false],
    ['second', true],
  ]);
  expect(steps[0] === undefined ? 0 : steps[0].endMs - steps[0].startMs).toBeGreaterThanOrEqual(290);
  expect(attempt.failed).toBe(true);
  for (const span of [output, ...steps]) {
    expect(span.startMs).toBeGreaterThanOrEqual(attempt.startMs);
    expect(span.endMs).toBeLessThanOrEqual(attempt.endMs);
  }

  // What is published and processed follows from the span that wrote the event.
  const writers = {
    JobCreated: [create.spanId],
    JobAssigned: [assign.spanId],
    JobStatusChanged: [claim.spanId, status.spanId],
  };
  const parents = (service: string, prefix: string, type: string) =>
    spans
      .filter((span) => span.service === `signalbox-${service}` && span.name === `${prefix}${type}`)
      .map((span) => span.parentSpanId)
      .toSorted();
  for (const [type, ids] of Object.entries(writers)) {
    const expected = ids.toSorted();
    expect([type, parents('scheduler', published, type)]).toEqual([type, expected]);
    expect([type, parents('dispatcher', processed, type)]).toEqual([type, expected]);
    expect([type, parents('audit', processed, type)]).toEqual([type, expected]);
  }
  expect(contexts.map((each) => each.split('-')[2])).toEqual(
    [create, assign, claim, status].map((span) => span.spanId),
  );
  expect(spans.filter((span) => span.attributes['signalbox.job.id'] !== jobId)).toEqual([]);
  const ids = new Set([caller.spanId, ...spans.map((span) => span.spanId)]);
  expect(spans.filter((span) => !ids.has(span.parentSpanId))).toEqual([]);
});

it('an agent’s word on times moves no span out of its attempt, and too much of it is refused by name', async () => {
  const device = await enrolDevice(stack.system.url, stack.admin, 'liar');
  const traceId = randomBytes(16).toString('hex');
  const headers = { traceparent: `00-${traceId}-${'1'.repeat(16)}-01` };
  await stack.admin.post('/api/v1/jobs', stepsJob(device.deviceId, { a: 'true' }), headers);
  const { offer } = await device.poll({ waitMs: 10_000 });
  if (offer === null) throw new Error('expected an offer, got none');
  expect(offer.traceparent).toContain(traceId);
  const step = { name: 'x', startMs: 500_000, endMs: 3, exitCode: 0 };
  const end = { status: 'SUCCEEDED', exitCode: 0, executedSteps: 1 };
  const refused = async (trace: unknown, field: string): Promise<void> => {
    const { status, body } = await device.say(offer, 'status', { ...end, trace });
    expect([status, JSON.stringify(body)]).toEqual([400, expect.stringContaining(`"${field}"`)]);
  };
  await refused({ endMs: 1, steps: Array(102).fill(step) }, 'trace.steps');
  await refused({ endMs: 1, steps: [{ ...step, name: 'x'.repeat(129) }] }, 'trace.steps.0.name');
  await refused({ endMs: -1, steps: [] }, 'trace.endMs');
  await refused({ endMs: 1, steps: [], spanId: 'mine' }, 'trace');
  const beforeMs = Date.now();
  await device.report(offer, { ...end, trace: { endMs: 86_400_000, steps: [step] } });
  const agents = await eventually(
    () => {
      const found = spansOf(traceId).filter((span) => span.service === 'signalbox-agent');
      return found.length === 2 ? found : null;
    },
    { what: 'the spans of the agent', timeoutMs: 15_000 },
  );
  const claim = oneOf(spansOf(traceId), 'device-gateway', 'claim');
  for (const span of agents) {
    expect(span.startMs).toBeGreaterThanOrEqual(Math.floor(claim.startMs));
    expect(span.endMs).toBeGreaterThanOrEqual(span.startMs);
    expect(span.endMs).toBeLessThanOrEqual(beforeMs + 5_000);
  }
});

it('a trace that its caller does not record is not exported, and is in the log', async () => {
  const silent = await createJob('00', { only: 'true' });
  await untilEnd(stack.admin, silent.jobId);
  const loud = await createJob('01', { only: 'true' });
  await untilEnd(stack.admin, loud.jobId);
  await eventually(() => spansOf(loud.traceId).some((span) => span.service === 'signalbox-audit'), {
    what: 'spans of the later job',
    timeoutMs: 15_000,
  });
  expect(spansOf(silent.traceId)).toEqual([]);
  const contexts = await storedContexts(silent.jobId);
  expect(contexts.map((each) => each.split('-')[1])).toEqual(Array(4).fill(silent.traceId));
});

it('polls of agents and looks at health begin no trace', () => {
  const names = new Set(collector.spans().map((span) => span.name));
  expect([...names].filter((name) => /poll|health|metrics/.test(name))).toEqual([]);
});

/** Rows `| `name` | type | labels | meaning |` of what the services show. */
const shownMetrics = async (): Promise<readonly string[]> => {
  const texts = await Promise.all(
    Object.values(stack.system.urls).map(async (url) => (await fetch(`${url}/metrics`)).text()),
  );
  const lines = texts.flatMap((text) => text.split('\n'));
  const help = new Map<string, string>();
  const type = new Map<string, string>();
  const labels = new Map<string, Set<string>>();
  for (const line of lines) {
    const [, kind, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (kind === 'HELP') help.set(name, rest);
    if (kind === 'TYPE') type.set(name, rest);
    const [, sample = '', given = ''] = /^([a-z0-9_]+)\{(.*)\} /.exec(line) ?? [];
    const family = help.has(sample) ? sample : sample.replace(/_(bucket|sum|count)$/, '');
    const names = [...given.matchAll(/([a-z_]+)="/g)].flatMap(([, label]) => label ?? []);
    labels.set(family, new Set([...(labels.get(family) ?? []), ...names]));
  }
  return [...help]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, text]) => {
      // What prom-client shows of Node itself has labels only while there is something to count.
      const shown = name.startsWith('nodejs_') ? [] : [...(labels.get(name) ?? [])];
      const own = shown.filter((each) => each !== 'service' && each !== 'le');
      return `| \`${name}\` | ${type.get(name)} | ${own.toSorted().join(', ')} | ${text} |`;
    });
};

it('all metrics are on the page about watching, with type, labels and meaning', async () => {
  const page = await readFile(new URL('../docs/operations/watching.md', import.meta.url), 'utf8');
  const rows = page.split('\n').filter((line) => /^\| `[a-z0-9_]+` +\| (counter|gauge|histogram)/.test(line));
  const cells = rows.map((row) => row.replaceAll(/ +/g, ' '));
  expect(cells.toSorted()).toEqual(
    (await shownMetrics()).map((row) => row.replaceAll(/ +/g, ' ')).toSorted(),
  );
});
