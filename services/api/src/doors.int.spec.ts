import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  DomainError,
  EventPage,
  JobDetail,
  Problem,
  limits,
  subjects,
  type OutputPage,
} from '@signalbox/contracts';
import { answer } from '@signalbox/service-kit';
import { eventually, sampleDocument } from '@signalbox/testkit';
import { startApiUnderTest, type ApiUnderTest } from './testing/api-under-test.ts';
import { jobFacts, record } from './testing/history.ts';
import { sseMessages, type SseMessage } from './testing/sse-reader.ts';

let api: ApiUnderTest;
beforeAll(async () => {
  api = await startApiUnderTest();
});
afterAll(() => api.close());

const problem = async (response: Response): Promise<Problem> => {
  expect(response.headers.get('content-type')).toContain('application/problem+json');
  return Problem.parse(await response.json());
};
const device = 'device-1';
const job = { name: 'greet', document: sampleDocument(), target: { type: 'device', ids: [device] } };

describe('refusals', () => {
  it.each([
    ['broken JSON', 'POST', '/api/v1/jobs', '{', 400, 'malformed-json'],
    ['no body', 'POST', '/api/v1/jobs', undefined, 400, 'invalid-request'],
    [
      'too large a body',
      'POST',
      '/api/v1/jobs',
      JSON.stringify('x'.repeat(limits.requestBodyBytes)),
      413,
      'body-too-large',
    ],
    ['an unknown path', 'GET', '/api/v1/nothing', undefined, 404, 'not-found'],
    [
      'a method that the path does not have',
      'GET',
      '/api/v1/enrolment-tokens',
      undefined,
      405,
      'method-not-allowed',
    ],
    ['a reserved word', 'GET', '/api/v1/jobs/templates', undefined, 404, 'not-found'],
    ['a reserved word as a command', 'POST', '/api/v1/jobs/execute', job, 405, 'method-not-allowed'],
    ['an id that is none', 'GET', '/api/v1/jobs/x', undefined, 400, 'invalid-request'],
    ['a job that does not exist', 'GET', `/api/v1/jobs/${randomUUID()}`, undefined, 404, 'not-found'],
    ['the stream of no job', 'GET', `/api/v1/jobs/${randomUUID()}/stream`, undefined, 404, 'not-found'],
    ['a foreign parameter', 'GET', '/api/v1/events?from=1', undefined, 400, 'invalid-request'],
  ])('of %s', async (_what, method, path, body, status, code) => {
    const response = await api.request(method, path, { body });
    expect(await problem(response)).toMatchObject({ status, code });
    expect(response.status).toBe(status);
  });

  it('of a body that is no JSON', async () => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const response = await api.request('POST', '/api/v1/jobs', { body: 'a=b', headers });
    expect((await problem(response)).code).toBe('unsupported-media-type');
  });

  it('name every wrong field and the fix', async () => {
    const body = { ...job, target: { type: 'device', ids: ['a b'] }, priority: 'high', colour: 'red' };
    const { errors } = await problem(await api.request('POST', '/api/v1/jobs', { body }));
    expect(errors?.map(({ field }) => field)).toEqual(
      expect.arrayContaining(['target.ids.0', 'priority', '(body)']),
    );
    expect(errors?.map(({ message }) => message).join()).toContain('"colour"');
  });

  it('carry the trace of the caller', async () => {
    const traceId = 'a'.repeat(32);
    const headers = { traceparent: `00-${traceId}-${'b'.repeat(16)}-01` };
    expect((await problem(await api.request('GET', '/api/v1/jobs/x', { headers }))).traceId).toBe(traceId);
  });

  it('say when to come back while a service is away', async () => {
    const response = await api.request('POST', '/api/v1/jobs', { body: job });
    expect(response.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(await problem(response)).toMatchObject({ status: 503, code: 'unavailable' });
  });
});

describe('jobs', () => {
  it('are created with the caller as actor, 201 once and 200 when repeated', async () => {
    const jobId = randomUUID();
    const seen: unknown[] = [];
    const scheduler = await api.answering('scheduler', [
      answer('createJob', (request, context) => {
        seen.push({
          key: request.idempotencyKey,
          actor: context.actor.type,
          priority: request.request.priority,
        });
        return { jobId, position: '0000000000000001', repeated: seen.length > 1 };
      }),
    ]);
    const headers = { 'idempotency-key': 'once' };
    const first = await api.request('POST', '/api/v1/jobs', { body: job, headers });
    const second = await api.request('POST', '/api/v1/jobs', { body: job, headers });
    expect([first.status, second.status]).toEqual([201, 200]);
    expect(first.headers.get('location')).toBe(`/api/v1/jobs/${jobId}`);
    expect(seen[0]).toEqual({ key: 'once', actor: 'principal', priority: 4 });
    await scheduler.close();
  });

  it('are read from the log while the audit service is away', async () => {
    const jobId = randomUUID();
    const { created, assigned } = jobFacts(jobId, device);
    await record(api.store, created, jobId, device);
    const after = await record(api.store, assigned, jobId, device);
    const detail = JobDetail.parse(
      await (await api.request('GET', `/api/v1/jobs/${jobId}?after=${after}`)).json(),
    );
    expect(detail).toMatchObject({ jobId, status: 'SCHEDULED', counts: null });
    const assignments = await (await api.request('GET', `/api/v1/jobs/${jobId}/assignments`)).json();
    expect(assignments).toMatchObject({ items: [{ targetId: device, attempt: 1 }] });
  });

  it('are read from the log while the view is behind', async () => {
    const jobId = randomUUID();
    await record(api.store, jobFacts(jobId, device).created, jobId, device);
    const audit = await api.answering('audit', [
      answer('getJob', () => {
        throw new DomainError('not-caught-up', 'expected the view at a position, got an older one');
      }),
    ]);
    expect((await api.request('GET', `/api/v1/jobs/${jobId}`)).status).toBe(200);
    await audit.close();
  });
});

describe('events', () => {
  it('are shown up to what is published, page by page', async () => {
    const jobId = randomUUID();
    const position = await record(api.store, jobFacts(jobId, device).created, jobId, device);
    await eventually(async () => (await api.store.published()) >= position);
    const read = async (query: string): Promise<EventPage> =>
      EventPage.parse(await (await api.request('GET', `/api/v1/events?${query}`)).json());
    const all = await read('limit=1000');
    expect(all.next).toBe(all.head);
    expect(all.events.at(-1)).toMatchObject({ type: 'JobCreated', data: { jobId } });
    const one = await read('limit=1');
    expect(one.next).toBe(all.events[0]?.position);
    expect((await read(`limit=1&after=${one.next}`)).events[0]?.position).toBe(all.events[1]?.position);
  });
});

describe('a viewer of the events', () => {
  it('finds in the list what it was just shown', async () => {
    const abort = new AbortController();
    const begin = await api.store.published();
    const response = await api.request('GET', `/api/v1/stream?after=${begin}`, { signal: abort.signal });
    const messages = sseMessages(response);
    for (let round = 0; round < 20; round += 1) {
      const jobId = randomUUID();
      const position = await record(api.store, jobFacts(jobId, device).created, jobId, device);
      for (;;) {
        const { value } = await messages.next();
        if (value === undefined) throw new Error('expected an event, got the end of the stream');
        if (value.id === position) break;
      }
      const list = await (await api.request('GET', `/api/v1/events?after=${begin}&limit=500`)).json();
      expect(EventPage.parse(list).events.map((each) => each.position)).toContain(position);
    }
    abort.abort();
  });
});

describe('a job that is followed', () => {
  const lines = ['hello\n', 'wörld\n'];
  const page = (jobId: string, from: number): OutputPage => {
    const chunks = lines.slice(from - 1).map((text, index) => ({
      sequence: from + index,
      stream: 'stdout' as const,
      at: '2026-01-01T00:00:00.000Z',
      offset: 0,
      text,
      data: Buffer.from(text).toString('base64'),
    }));
    return { jobId, targetId: device, attempt: 1, chunks, nextSequence: Math.max(from, lines.length + 1) };
  };
  const gateway = () =>
    api.answering('device-gateway', [
      answer('readOutput', ({ jobId, fromSequence }) => page(jobId, fromSequence)),
    ]);
  const shown = ({ event, data }: SseMessage): string => {
    if (typeof data !== 'object' || data === null) return event;
    if ('text' in data) return String(data.text);
    return 'type' in data ? String(data.type) : event;
  };

  it('shows its history, then what comes, output before its end, and ends', async () => {
    const double = await gateway();
    const jobId = randomUUID();
    const facts = jobFacts(jobId, device);
    await record(api.store, facts.created, jobId, device);
    const messages = sseMessages(await api.request('GET', `/api/v1/jobs/${jobId}/stream`));
    const seen = [(await messages.next()).value].filter((each) => each !== undefined);
    await record(api.store, facts.assigned, jobId, device);
    await record(api.store, facts.claimed, jobId, device);
    api.bus.publish(subjects.outputGrown(jobId));
    for (let message = await messages.next(); !message.done; message = await messages.next()) {
      seen.push(message.value);
      if (shown(message.value) === 'wörld\n') await record(api.store, facts.succeeded, jobId, device);
    }
    const whole = ['JobCreated', 'JobAssigned', 'JobStatusChanged', ...lines, 'JobStatusChanged', 'end'];
    expect(seen.map(shown)).toEqual(whole);
    for (const [index, { id }] of seen.entries()) {
      const rest: string[] = [];
      const headers = { 'last-event-id': id };
      const response = await api.request('GET', `/api/v1/jobs/${jobId}/stream`, { headers });
      for await (const message of sseMessages(response)) rest.push(shown(message));
      if (index < whole.length - 1) expect(rest).toEqual(whole.slice(index + 1));
    }
    await double.close();
  });

  it('shows its output as plain text', async () => {
    const double = await gateway();
    const jobId = randomUUID();
    await record(api.store, jobFacts(jobId, device).created, jobId, device);
    const path = `/api/v1/jobs/${jobId}/output`;
    const text = await api.request('GET', path, { headers: { accept: 'text/plain' } });
    expect(text.headers.get('content-type')).toContain('text/plain');
    expect(await text.text()).toBe(lines.join(''));
    expect(await (await api.request('GET', path)).json()).toMatchObject({ nextSequence: 3 });
    expect((await api.request('GET', `/api/v1/jobs/${jobId}/assignments/other/output`)).status).toBe(404);
    await double.close();
  });
});

describe('all events', () => {
  it('are followed from a position on, through a time without NATS', async () => {
    const leave = new AbortController();
    const jobId = randomUUID();
    const facts = jobFacts(jobId, device);
    const response = await api.request('GET', `/api/v1/stream?after=${'0'.repeat(16)}`, {
      signal: leave.signal,
    });
    const messages = sseMessages(response);
    const positions: string[] = [];
    const until = async (position: string): Promise<void> => {
      while (positions.at(-1) !== position) positions.push((await messages.next()).value?.id);
    };
    await until(await record(api.store, facts.created, jobId, device));
    await api.nats.stop();
    const missed = await record(api.store, facts.assigned, jobId, device);
    const page = await (await api.request('GET', `/api/v1/events?after=${positions.at(-1)}`)).json();
    expect(page).toMatchObject({ events: [], next: positions.at(-1), head: positions.at(-1) });
    await api.nats.start();
    await until(missed);
    await until(await record(api.store, facts.claimed, jobId, device));
    const stored = (await api.store.readAll('0'.repeat(16), 1000)).map(({ position }) => position);
    expect(positions).toEqual(stored);
    leave.abort();
  });
});
