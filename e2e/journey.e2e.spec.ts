import {
  AgentView,
  AuditRow,
  CommandDenied,
  Enrolled,
  JobAccepted,
  JobView,
  KeyIssued,
  OutputPage,
  agentPrefix,
  pageOf,
} from '@signalbox/contracts';
import { eventually } from '@signalbox/testkit';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Client, type Message, createClient, field, textField } from '@signalbox/tools/system';
import { type Device, chunk, deviceOf, enrolDevice, issueToken, machine } from './src/device.ts';
import {
  auditOf,
  endsJob,
  eventsAfter,
  getAssignment,
  getJob,
  outputText,
  shellJob,
  storyOf,
  untilEnd,
} from './src/jobs.ts';
import { expectRefusal } from './src/problems.ts';
import { type Stack, openStack } from './src/stack.ts';

let stack: Stack;
let device: Device;

beforeAll(async () => {
  stack = await openStack();
  device = await enrolDevice(stack.system.url, stack.admin, 'pi-1');
});

afterAll(async () => {
  await stack?.close();
});

/** Runs the job that waits for the device: takes it, writes one line, and ends it. */
const runNext = async (by: Device, line = 'hello\n'): Promise<string> => {
  const { offer } = await by.poll({ waitMs: 10_000 });
  if (offer === null) throw new Error('expected an offer, got none');
  await by.send(offer, [chunk(1, line)]);
  await by.report(offer, { status: 'SUCCEEDED', exitCode: 0, executedSteps: 1 });
  return offer.jobId;
};

/** Reads a stream until `enough` says so or it ends. */
const read = async (
  client: Client,
  path: string,
  enough: (messages: readonly Message[]) => boolean,
  headers: Readonly<Record<string, string>> = {},
): Promise<readonly Message[]> => {
  const stop = new AbortController();
  const messages: Message[] = [];
  for await (const message of client.stream(
    path,
    AbortSignal.any([stop.signal, AbortSignal.timeout(20_000)]),
    headers,
  )) {
    messages.push(message);
    if (enough(messages)) break;
  }
  stop.abort();
  return messages;
};
const never = (): boolean => false;
const kinds = (messages: readonly Message[]): readonly string[] =>
  messages.map(({ event, data }) => (event === 'event' ? textField(data, 'type') : event));

const issueKey = async (name: string, roles: readonly string[]) => {
  const issued = KeyIssued.parse(await stack.admin.post('/api/v1/keys', { name, roles }));
  return { ...issued, client: stack.client(issued.key) };
};

describe('a job by plain HTTP', () => {
  it('goes from an enrolment token to four events in SQL', async () => {
    const { admin, system } = stack;
    const { token, deviceId, expiresAt } = await issueToken(admin, { name: 'curl-device' });
    expect(Date.parse(expiresAt) - Date.now()).toBeGreaterThan(290_000);
    const anonymous = createClient(system.url, 'none');
    const enrolment = await anonymous.request('POST', `${agentPrefix}/enrol`, { token, ...machine });
    expect(enrolment.status).toBe(201);
    const curl = deviceOf(system.url, Enrolled.parse(enrolment.body));
    expect(curl.deviceId).toBe(deviceId);

    const created = await admin.request('POST', '/api/v1/jobs', shellJob(deviceId, 'echo hello'));
    expect(created.status).toBe(201);
    const { jobId } = JobAccepted.parse(created.body);
    expect(created.headers.get('location')).toBe(`/api/v1/jobs/${jobId}`);

    const shown = await curl.poll({ waitMs: 10_000, claim: false });
    expect(shown.offer).toMatchObject({ jobId, targetId: deviceId, attempt: 1, claimed: false });
    const ref = { jobId, targetId: deviceId, attempt: 1 };
    const offer = await curl.claim(ref);
    expect(offer).toMatchObject({
      claimed: true,
      document: { steps: [{ name: 'run' }] },
      leaseMs: curl.leaseMs,
    });
    expect(await curl.renew(ref)).toEqual({ leaseMs: curl.leaseMs, cancel: false });
    const stored = await curl.send(ref, [chunk(1, 'hello\n'), chunk(2, 'careful\n', 'stderr')]);
    expect(stored).toMatchObject({ nextSequence: 3, bytes: 14 });
    const taken = await curl.report(ref, {
      status: 'SUCCEEDED',
      exitCode: 0,
      executedSteps: 1,
      outputBytes: stored.bytes,
      outputHash: stored.hash,
    });
    expect(taken).toMatchObject({ repeated: false, next: null });

    const rows = await auditOf(stack, jobId);
    expect(storyOf(rows)).toEqual([
      'JobCreated',
      'JobAssigned',
      'JobStatusChanged IN_PROGRESS',
      'JobStatusChanged SUCCEEDED',
    ]);
    expect(rows.map((row) => row['correlation_id'])).toEqual([jobId, jobId, jobId, jobId]);
    expect(rows.map((row) => String(row['actor']).split(':')[0])).toEqual([
      'principal',
      'service',
      'agent',
      'agent',
    ]);
    expect(rows.at(-1)?.['payload']).toMatchObject({
      from: 'IN_PROGRESS',
      assignment: { id: `${jobId}-${deviceId}`, attempt: 1, agentId: curl.agentId },
      result: { exitCode: 0, outputBytes: 14, outputHash: stored.hash },
      job: { status: 'SUCCEEDED', counts: { total: 1, succeeded: 1 } },
    });
    const others = await stack.audit(
      `select event_type from audit_logs where correlation_id = $1 order by occurred_at`,
      [deviceId],
    );
    expect(others.map((row) => row['event_type'])).toEqual(['EnrolmentTokenIssued', 'DeviceEnrolled']);
  });

  it('shows the job, its assignment and its output', async () => {
    const { admin } = stack;
    const { jobId } = await stack.createJob({ ...shellJob(device.deviceId, 'echo x'), reason: 'to see it' });
    await runNext(device, 'grüße\n');
    const job = await untilEnd(admin, jobId);
    expect(job).toMatchObject({
      status: 'SUCCEEDED',
      reason: 'to see it',
      priority: 4,
      counts: { total: 1, succeeded: 1 },
      document: { steps: [{ type: 'runShell' }] },
    });
    expect(await getAssignment(admin, jobId)).toMatchObject({
      assignmentId: `${jobId}-${device.deviceId}`,
      status: 'SUCCEEDED',
      attempt: 1,
      agentId: device.agentId,
      reason: { code: 'completed' },
      previousAttempts: [],
    });
    const page = OutputPage.parse(await admin.get(`/api/v1/jobs/${jobId}/output`));
    expect(page.chunks).toMatchObject([{ sequence: 1, stream: 'stdout', offset: 0, text: 'grüße\n' }]);
    expect(await outputText(admin, jobId)).toBe('grüße\n');
    const byTarget = await admin.get(
      `/api/v1/jobs/${jobId}/assignments/${device.deviceId}/output?fromSequence=2`,
    );
    expect(byTarget).toMatchObject({ chunks: [], nextSequence: 2 });
  });

  it('renders the built-in template health-check', async () => {
    const target = { type: 'device', ids: [device.deviceId] };
    const { jobId } = await stack.createJob({ name: 'check', template: { id: 'health-check' }, target });
    await runNext(device);
    const job = await untilEnd(stack.admin, jobId);
    expect(job).toMatchObject({ templateId: 'health-check', status: 'SUCCEEDED' });
    expect(job.document.steps.length).toBeGreaterThan(1);
  });

  it('hands the next job to the answer of a status', async () => {
    const first = await stack.createJob(shellJob(device.deviceId, 'true'));
    const second = await stack.createJob(shellJob(device.deviceId, 'true'));
    const { offer } = await device.poll({ waitMs: 10_000 });
    expect(offer?.jobId).toBe(first.jobId);
    if (offer === null) return;
    const end = { status: 'SUCCEEDED', exitCode: 0, output: [chunk(1, 'done\n')], next: { waitMs: 10_000 } };
    const { next } = await device.report(offer, end);
    expect(next?.offer?.jobId).toBe(second.jobId);
    if (next?.offer === null || next?.offer === undefined) return;
    await device.report(next.offer, { status: 'FAILED', exitCode: 3, failedStep: 'run' });
    expect(await untilEnd(stack.admin, second.jobId)).toMatchObject({
      status: 'FAILED',
      counts: { failed: 1 },
    });
    expect(await outputText(stack.admin, first.jobId)).toBe('done\n');
  });

  it('waits for notBefore', async () => {
    const notBefore = new Date(Date.now() + 1_500).toISOString();
    const { jobId } = await stack.createJob(shellJob(device.deviceId, 'true', { notBefore }));
    expect((await device.poll()).offer).toBeNull();
    expect(await getJob(stack.admin, jobId)).toMatchObject({ status: 'QUEUED', notBefore });
    expect(await runNext(device)).toBe(jobId);
    const { startedAt } = await untilEnd(stack.admin, jobId);
    expect(Date.parse(startedAt ?? '')).toBeGreaterThanOrEqual(Date.parse(notBefore));
    expect(Date.parse(startedAt ?? '')).toBeLessThan(Date.parse(notBefore) + 3_000);
  });
});

describe('Idempotency-Key', () => {
  it('makes one job of a repeated request and refuses another request with the same key', async () => {
    const { admin } = stack;
    const headers = { 'idempotency-key': 'order-4711' };
    const request = shellJob(device.deviceId, 'echo once');
    const post = (body: unknown) => admin.request('POST', '/api/v1/jobs', body, headers);
    const [first, ...others] = await Promise.all([post(request), post(request), post(request)]);
    expect([first, ...others].map(({ status }) => status).toSorted()).toEqual([200, 200, 201]);
    const again = await post(request);
    expect(again.status).toBe(200);
    const { jobId, position } = JobAccepted.parse(first?.body);
    expect(again.body).toEqual({ jobId, position, repeated: true });
    expectRefusal(await post(shellJob(device.deviceId, 'echo twice')), {
      status: 422,
      code: 'idempotency-key-reused',
    });
    await runNext(device);
    expect(await auditOf(stack, jobId)).toHaveLength(4);
    expect((await post(request)).body).toMatchObject({ jobId, repeated: true });
  });

  it('belongs to the one who sent it', async () => {
    const { client } = await issueKey('other', ['operator']);
    const headers = { 'idempotency-key': 'mine' };
    const request = shellJob(device.deviceId, 'true');
    const [mine, theirs] = [
      JobAccepted.parse(await stack.admin.post('/api/v1/jobs', request, headers)),
      JobAccepted.parse(await client.post('/api/v1/jobs', request, headers)),
    ];
    expect(theirs.jobId).not.toBe(mine.jobId);
    await runNext(device);
    await runNext(device);
  });
});

describe('following', () => {
  it('shows the history of a job, then what comes, then the end', async () => {
    const { jobId } = await stack.createJob(shellJob(device.deviceId, 'echo hi'));
    const following = read(stack.admin, `/api/v1/jobs/${jobId}/stream`, never);
    await runNext(device, 'live\n');
    const story = ['JobCreated', 'JobAssigned', 'JobStatusChanged', 'output', 'JobStatusChanged', 'end'];
    const seen = await following;
    expect(kinds(seen)).toEqual(story);
    expect(seen[3]?.data).toMatchObject({
      targetId: device.deviceId,
      attempt: 1,
      sequence: 1,
      text: 'live\n',
    });
    expect(kinds(await read(stack.admin, `/api/v1/jobs/${jobId}/stream`, never))).toEqual(story);

    const lastSeen = { 'last-event-id': seen[2]?.id ?? '' };
    expect(kinds(await read(stack.admin, `/api/v1/jobs/${jobId}/stream`, never, lastSeen))).toEqual(
      story.slice(3),
    );
    const afterOutput = `/api/v1/jobs/${jobId}/stream?after=${seen[3]?.id}`;
    expect(kinds(await read(stack.admin, afterOutput, never))).toEqual(story.slice(4));
  });

  it('shows all events, from the beginning or from where one was', async () => {
    const { jobId, position } = await stack.createJob(shellJob(device.deviceId, 'true'));
    const isOver = (messages: readonly Message[]): boolean =>
      messages.some(({ data }) => field(data, 'correlationId') === jobId && endsJob(field(data, 'data')));
    const fromStart = read(stack.admin, '/api/v1/stream?after=0000000000000000', isOver);
    const fromHere = read(stack.admin, '/api/v1/stream', isOver, { 'last-event-id': position });
    await runNext(device);
    const all = await fromStart;
    expect(kinds(all)[0]).toBe('ApiKeyIssued');
    expect(all.map(({ id }) => id)).toEqual(all.map(({ id }) => id).toSorted());
    expect(kinds(await fromHere)).toEqual(['JobAssigned', 'JobStatusChanged', 'JobStatusChanged']);
    // The list ends at what the relay has noted as published, a moment behind the bus.
    await eventually(async () => {
      const listed = await eventsAfter(stack.admin, '0000000000000000');
      expect(listed.slice(0, all.length).map((event) => event.position)).toEqual(all.map(({ id }) => id));
    });
  });

  it('lists events page by page', async () => {
    const first = await stack.admin.get('/api/v1/events?limit=2');
    const events = field(first, 'events');
    expect(events).toHaveLength(2);
    const second = await stack.admin.get(`/api/v1/events?limit=2&after=${textField(first, 'next')}`);
    expect(field(second, 'events')).toHaveLength(2);
    expect(field(second, 'events')).not.toEqual(events);
    const head = textField(second, 'head');
    expect(await stack.admin.get(`/api/v1/events?after=${head}`)).toMatchObject({ events: [] });
  });
});

describe('looking back', () => {
  const pages = async <T>(
    path: string,
    parse: (body: unknown) => { items: T[]; nextCursor: string | null },
  ) => {
    const items: T[] = [];
    for (let cursor = ''; ;) {
      const page = parse(
        await stack.admin.get(`${path}${cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`}`),
      );
      items.push(...page.items);
      if (page.nextCursor === null) return items;
      expect(page.items.length).toBeGreaterThan(0);
      cursor = page.nextCursor;
    }
  };
  const jobs = (filter: string) => pages(`/api/v1/jobs?${filter}`, (body) => pageOf(JobView).parse(body));
  const audit = (filter: string) => pages(`/api/v1/audit?${filter}`, (body) => pageOf(AuditRow).parse(body));

  it('filters and pages the list of jobs', async () => {
    const names = ['alpha one', 'Alpha two', 'beta'];
    const ids: string[] = [];
    let position = '';
    for (const name of names) {
      const accepted = await stack.createJob(shellJob(device.deviceId, 'true', { name }));
      ids.unshift(accepted.jobId);
      position = accepted.position;
    }
    const idsOf = (views: readonly JobView[]) => views.map(({ jobId }) => jobId);
    expect(idsOf(await jobs(`limit=1&name=ALPHA&after=${position}`))).toEqual(ids.slice(1));
    expect(idsOf(await jobs(`limit=2&status=QUEUED&targetId=${device.deviceId}`)).slice(0, 2)).toEqual(
      ids.slice(0, 2),
    );
    expect(await jobs('limit=10&createdBy=principal:nobody')).toEqual([]);
    for (const _ of names) await runNext(device);
    await untilEnd(stack.admin, ids[0] ?? '');
    const all = await jobs('limit=3');
    expect(new Set(idsOf(all)).size).toBe(all.length);
    expect(idsOf(await jobs('limit=100&status=SUCCEEDED'))).toEqual(expect.arrayContaining(ids));
    const [newest] = all;
    expect(await jobs(`limit=5&createdAfter=${newest?.createdAt}`)).toHaveLength(1);
  });

  it('filters and pages the audit log', async () => {
    const { jobId } = await stack.createJob(shellJob(device.deviceId, 'true'));
    await runNext(device);
    await auditOf(stack, jobId);
    const story = await audit(`limit=1&correlationId=${jobId}`);
    expect(story.map(({ type }) => type)).toEqual([
      'JobStatusChanged',
      'JobStatusChanged',
      'JobAssigned',
      'JobCreated',
    ]);
    expect(await audit(`limit=10&type=JobAssigned&correlationId=${jobId}`)).toHaveLength(1);
    const byAgent = await audit(`limit=3&actor=agent:${device.agentId}&targetId=${device.deviceId}`);
    expect(byAgent.every(({ actor }) => actor === `agent:${device.agentId}`)).toBe(true);
    expect(byAgent.length).toBeGreaterThan(3);
    const [last] = story;
    expect(await audit(`limit=10&correlationId=${jobId}&from=${last?.occurredAt}`)).toEqual([last]);
    expect(await audit(`limit=10&correlationId=${jobId}&to=${last?.occurredAt}`)).toEqual(story.slice(1));
  });

  it('shows a write to every read that names its position', async () => {
    const { admin } = stack;
    for (let round = 0; round < 10; round += 1) {
      const { jobId, position } = await stack.createJob(
        shellJob(device.deviceId, 'true', { name: `round ${round}` }),
      );
      const [job, list, log] = await Promise.all([
        getJob(admin, jobId, position),
        admin.get(`/api/v1/jobs?limit=1&after=${position}`),
        admin.get(`/api/v1/audit?limit=1&correlationId=${jobId}&type=JobCreated&after=${position}`),
      ]);
      expect(job.name).toBe(`round ${round}`);
      expect(list).toMatchObject({ items: [{ jobId }] });
      expect(log).toMatchObject({ items: [{ type: 'JobCreated', position }] });
      const { position: canceled, outcome } = await admin
        .post(`/api/v1/jobs/${jobId}/cancel`, {})
        .then((body) => ({ position: textField(body, 'position'), outcome: textField(body, 'outcome') }));
      expect(outcome).toBe('canceled');
      expect(await getJob(admin, jobId, canceled)).toMatchObject({ status: 'CANCELED' });
    }
    const future = await admin.request('GET', '/api/v1/jobs?after=0000999999999999');
    expectRefusal(future, { status: 503, code: 'not-caught-up' });
    expect(future.headers.get('retry-after')).toMatch(/^\d+$/);
  });
});

describe('keys and roles', () => {
  it('lets a viewer read and records what it was denied', async () => {
    const { client, principalId } = await issueKey('viewer', ['viewer']);
    expect(await client.get('/api/v1/me')).toMatchObject({ principalId, roles: ['viewer'] });
    await client.get('/api/v1/jobs');
    const refused = await client.request('POST', '/api/v1/jobs', shellJob(device.deviceId, 'true'));
    expectRefusal(refused, { status: 403, code: 'forbidden' });
    const [row] = await eventually(async () => {
      const rows = await stack.audit(
        `select actor, payload from audit_logs where event_type = 'CommandDenied'`,
      );
      return rows.length > 0 && rows;
    });
    expect(row).toMatchObject({ actor: `principal:${principalId}` });
    expect(CommandDenied.parse(row?.['payload'])).toMatchObject({ principalId, command: 'job.create' });
  });

  it('lets an operator create and cancel, and issue nothing', async () => {
    const { client } = await issueKey('operator', ['operator']);
    const { jobId } = JobAccepted.parse(await client.post('/api/v1/jobs', shellJob(device.deviceId, 'true')));
    expect(await client.post(`/api/v1/jobs/${jobId}/cancel`, {})).toMatchObject({ outcome: 'canceled' });
    expect(await client.post(`/api/v1/jobs/${jobId}/cancel`, {})).toMatchObject({ outcome: 'already-ended' });
    const forbidden = { status: 403, code: 'forbidden' };
    expectRefusal(await client.request('POST', '/api/v1/enrolment-tokens', {}), forbidden);
    expectRefusal(await client.request('POST', '/api/v1/keys', { name: 'x', roles: ['admin'] }), forbidden);
    expectRefusal(await client.request('GET', '/api/v1/keys'), forbidden);
    expectRefusal(await client.request('POST', `/api/v1/agents/${device.agentId}/revoke`, {}), forbidden);
  });

  it('refuses a revoked key within a second', async () => {
    const { client, keyId } = await issueKey('short', ['viewer']);
    await client.get('/api/v1/me');
    expect(await stack.admin.post(`/api/v1/keys/${keyId}/revoke`, undefined)).toMatchObject({
      keyId,
      repeated: false,
    });
    await eventually(async () => (await client.request('GET', '/api/v1/me')).status === 401, {
      timeoutMs: 1_000,
    });
    expectRefusal(await client.request('GET', '/api/v1/me'), { status: 401, code: 'unauthenticated' });
    expect(await stack.admin.post(`/api/v1/keys/${keyId}/revoke`, undefined)).toMatchObject({
      repeated: true,
    });
  });
});

describe('agents', () => {
  it('lists them page by page and shows one', async () => {
    await enrolDevice(stack.system.url, stack.admin, 'pi-2');
    const names: string[] = [];
    for (let cursor = ''; ;) {
      const page = pageOf(AgentView).parse(await stack.admin.get(`/api/v1/agents?limit=1${cursor}`));
      names.push(...page.items.map(({ name }) => name));
      if (page.nextCursor === null) break;
      cursor = `&cursor=${page.nextCursor}`;
    }
    expect(names).toEqual(expect.arrayContaining(['pi-1', 'pi-2', 'curl-device']));
    expect(await stack.admin.get(`/api/v1/agents/${device.agentId}`)).toMatchObject({
      name: 'pi-1',
      kind: 'device',
      ...machine,
      revokedAt: null,
    });
  });

  it('refuses a revoked agent within a second, and rejects what waited for it', async () => {
    const doomed = await enrolDevice(stack.system.url, stack.admin, 'doomed');
    const { jobId } = await stack.createJob(shellJob(doomed.deviceId, 'true'));
    const revoke = () => stack.admin.post(`/api/v1/agents/${doomed.agentId}/revoke`, { reason: 'stolen' });
    expect(await revoke()).toMatchObject({ agentId: doomed.agentId, repeated: false });
    const me = () => doomed.client.request('GET', `${agentPrefix}/me`);
    await eventually(async () => (await me()).status === 401, { timeoutMs: 1_000 });
    expect(await untilEnd(stack.admin, jobId)).toMatchObject({ status: 'REJECTED' });
    expect(await revoke()).toMatchObject({ repeated: true });
    expect(await stack.admin.get(`/api/v1/agents/${doomed.agentId}`)).toHaveProperty(
      'revokedAt',
      expect.any(String),
    );
  });
});
