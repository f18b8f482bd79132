import { connect, headers, type NatsConnection } from '@nats-io/transport-node';
import { agentPrefix, type BusUser, inboxPrefixOf, limits, parseBusAddress } from '@signalbox/contracts';
import { eventually } from '@signalbox/testkit';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createClient, field } from '@signalbox/tools/system';
import { type Device, chunk, enrolDevice, issueToken, machine } from './src/device.ts';
import { auditOf, getAssignment, outputText, shellJob, untilEnd } from './src/jobs.ts';
import { judge, settle } from './src/judge.ts';
import { type Refusal, expectRefusal } from './src/problems.ts';
import { type Stack, openStack } from './src/stack.ts';

/*
 * What people, programs and machines send by mistake or on purpose. Each refusal says what was wrong and what to do;
 * afterwards the system works as before, and the log has nothing half-done.
 */

let stack: Stack;
let device: Device;
let other: Device;

beforeAll(async () => {
  stack = await openStack();
  const enrol = (name: string) => enrolDevice(stack.system.url, stack.admin, name);
  [device, other] = [await enrol('pi-1'), await enrol('pi-2')];
});

afterAll(async () => {
  await stack?.close();
});

const invalid = (name: string): Refusal => ({ status: 400, code: 'invalid-request', field: name });
const step = { name: 'run', type: 'runShell', input: { command: 'true' } };
const anonymous = () => createClient(stack.system.url, 'none');
/** How many events the log has: refusals leave it as it is. */
const logLength = async (): Promise<unknown> => {
  const [row] = await stack.inside('select count(*) as length from events.log');
  return row?.['length'];
};

/** Creates a job for the device and lets it claim it. */
const running = async (more: Readonly<Record<string, unknown>> = {}) => {
  const { jobId } = await stack.createJob(shellJob(device.deviceId, 'true', more));
  const { offer } = await device.poll({ waitMs: 10_000 });
  expect(offer?.jobId).toBe(jobId);
  return { jobId, targetId: device.deviceId, attempt: offer?.attempt ?? 0 };
};
const finish = (ref: Awaited<ReturnType<typeof running>>) =>
  device.report(ref, { status: 'SUCCEEDED', exitCode: 0 });

describe('a request for a job', () => {
  const target = () => ({ type: 'device', ids: [device.deviceId] });
  const withDocument = (document: unknown) => ({ ...shellJob(device.deviceId, 'true'), document });
  const withStep = (more: object) => withDocument({ steps: [{ ...step, ...more }] });
  const withTarget = (value: unknown) => ({ ...shellJob(device.deviceId, 'true'), target: value });
  const withMore = (more: object) => shellJob(device.deviceId, 'true', { ...more });
  const nested = (depth: number): unknown => (depth === 0 ? 'x' : { deeper: nested(depth - 1) });
  const cases: readonly (readonly [string, () => unknown, Refusal])[] = [
    ['a field that is not known', () => withMore({ colour: 'red' }), invalid('(body)')],
    ['a field of a step that is not known', () => withStep({ runAs: 'root' }), invalid('document.steps.0')],
    ['a name that is no text', () => withMore({ name: 5 }), invalid('name')],
    ['an empty name', () => withMore({ name: '  ' }), invalid('name')],
    ['a name with a NUL', () => withMore({ name: 'a\0b' }), invalid('name')],
    ['a reason with half a character', () => withMore({ reason: 'a\ud800b' }), invalid('reason')],
    [
      'a command with a NUL',
      () => withStep({ input: { command: 'a\0b' } }),
      invalid('document.steps.0.input.command'),
    ],
    ['a priority as text', () => withMore({ priority: '9' }), invalid('priority')],
    ['no attempt at all', () => withMore({ limits: { maxAttempts: 0 } }), invalid('limits.maxAttempts')],
    [
      'half a millisecond',
      () => withMore({ limits: { runTimeoutMs: 1500.5 } }),
      invalid('limits.runTimeoutMs'),
    ],
    [
      'a limit beyond the limits',
      () => withMore({ limits: { queueTimeoutMs: 1e12 } }),
      invalid('limits.queueTimeoutMs'),
    ],
    ['an instant in words', () => withMore({ notBefore: 'tomorrow' }), invalid('notBefore')],
    ['an instant without zone', () => withMore({ notBefore: '2026-01-01T00:00:00' }), invalid('notBefore')],
    [
      'a day that does not exist',
      () => withMore({ notBefore: '2027-02-30T00:00:00Z' }),
      invalid('notBefore'),
    ],
    [
      'an instant before our time',
      () => withMore({ notBefore: '0000-01-01T00:00:00Z' }),
      invalid('notBefore'),
    ],
    [
      'an instant that nobody will see',
      () => withMore({ notBefore: '9999-12-31T23:59:59Z' }),
      invalid('notBefore'),
    ],
    ['no steps', () => withDocument({ steps: [] }), invalid('document.steps')],
    ['101 steps', () => withDocument({ steps: Array(101).fill(step) }), invalid('document.steps')],
    [
      'a kind of step that is not known',
      () => withStep({ type: 'runPython' }),
      invalid('document.steps.0.type'),
    ],
    [
      'a variable that has no name',
      () => withStep({ environment: { '1 A': 'x' } }),
      invalid('document.steps.0.environment.1 A'),
    ],
    ['JSON 20 deep', () => withDocument(nested(20)), invalid('document.steps')],
    ['neither document nor template', () => ({ name: 'x', target: target() }), invalid('document')],
    ['document and template', () => withMore({ template: { id: 'health-check' } }), invalid('document')],
    [
      'a template that is not known',
      () => ({ name: 'x', template: { id: 'nope' }, target: target() }),
      invalid('template.id'),
    ],
    ['a target without ids', () => withTarget({ type: 'device' }), invalid('target.ids')],
    ['a target of no device', () => withTarget({ type: 'device', ids: [] }), invalid('target.ids')],
    ['an id that is none', () => withTarget({ type: 'device', ids: ['a/b'] }), invalid('target.ids.0')],
    [
      'a kind of target that is not known',
      () => withTarget({ type: 'planet', ids: ['earth'] }),
      invalid('target.type'),
    ],
    [
      'the retry of a job that is not known',
      () => withMore({ retryOf: '00000000-0000-4000-8000-000000000000' }),
      invalid('retryOf'),
    ],
    ['a list', () => [shellJob(device.deviceId, 'true')], invalid('(body)')],
    ['a text', () => '"job"', invalid('(body)')],
    ['null', () => 'null', invalid('(body)')],
    ['nothing', () => '', invalid('(body)')],
    ['broken JSON', () => '{"name":', { status: 400, code: 'malformed-json' }],
    ['JSON without end', () => '['.repeat(200_000), { status: 400, code: 'malformed-json' }],
    [
      'a document of 200 kB',
      () =>
        withStep({
          environment: Object.fromEntries(Array.from({ length: 8 }, (_, i) => [`A${i}`, 'x'.repeat(25_000)])),
        }),
      { status: 413, code: 'body-too-large', field: 'document' },
    ],
    [
      'more than a mebibyte',
      () => withMore({ reason: 'x'.repeat(limits.requestBodyBytes) }),
      { status: 413, code: 'body-too-large' },
    ],
    ...['group', 'all', 'worker'].map(
      (type) =>
        [
          `target ${type}`,
          () => withTarget({ type }),
          { status: 400, code: 'unsupported-target', field: 'target.type' },
        ] as const,
    ),
    [
      'two devices',
      () => withTarget({ type: 'device', ids: [device.deviceId, other.deviceId] }),
      { status: 400, code: 'unsupported-target', field: 'target.ids' },
    ],
    [
      'a device that is not known',
      () => withTarget({ type: 'device', ids: ['nobody'] }),
      { status: 400, code: 'unknown-target', field: 'target.ids.0' },
    ],
  ];

  it.each(cases)('is refused with %s', async (_name, body, refusal) => {
    const before = await logLength();
    expectRefusal(await stack.admin.request('POST', '/api/v1/jobs', body()), refusal);
    expect(await logLength()).toBe(before);
  });

  it.each([
    ['text/plain', 415, 'unsupported-media-type'],
    ['application/x-www-form-urlencoded', 415, 'unsupported-media-type'],
  ])('is refused as %s', async (type, status, code) => {
    const headers = { 'content-type': type };
    const answer = await stack.admin.request(
      'POST',
      '/api/v1/jobs',
      shellJob(device.deviceId, 'true'),
      headers,
    );
    expectRefusal(answer, { status, code });
  });

  it('is refused for the retry of a job that has not ended', async () => {
    const ref = await running();
    const again = shellJob(device.deviceId, 'true', { retryOf: ref.jobId });
    expectRefusal(await stack.admin.request('POST', '/api/v1/jobs', again), invalid('retryOf'));
    await finish(ref);
    const { jobId } = await stack.createJob(again);
    expect(await stack.admin.get(`/api/v1/jobs/${jobId}`)).toMatchObject({ retryOf: ref.jobId });
    await stack.admin.post(`/api/v1/jobs/${jobId}/cancel`, {});
  });

  it('is refused for a revoked device', async () => {
    const gone = await enrolDevice(stack.system.url, stack.admin, 'gone');
    await stack.admin.post(`/api/v1/agents/${gone.agentId}/revoke`, {});
    const answer = await stack.admin.request('POST', '/api/v1/jobs', shellJob(gone.deviceId, 'true'));
    expectRefusal(answer, { status: 400, code: 'unknown-target', field: 'target.ids.0' });
  });

  it('is refused with an Idempotency-Key that no header may hold', async () => {
    const post = (key: string) =>
      stack.admin.request('POST', '/api/v1/jobs', shellJob(device.deviceId, 'true'), {
        'idempotency-key': key,
      });
    expectRefusal(await post('x'.repeat(256)), invalid('header.idempotency-key'));
    expectRefusal(await post('two words'), invalid('header.idempotency-key'));
  });
});

describe('a question', () => {
  const unknown = '00000000-0000-4000-8000-000000000000';
  it.each([
    [`/api/v1/jobs/${unknown}`, { status: 404, code: 'not-found' }],
    [`/api/v1/jobs/${unknown}/assignments`, { status: 404, code: 'not-found' }],
    [`/api/v1/jobs/${unknown}/output`, { status: 404, code: 'not-found' }],
    [`/api/v1/jobs/${unknown}/stream`, { status: 404, code: 'not-found' }],
    ['/api/v1/jobs/17', invalid('path.id')],
    ['/api/v1/jobs/schedules', { status: 404, code: 'not-found' }],
    ['/api/v1/agents/nobody', { status: 404, code: 'not-found' }],
    ['/api/v1/nothing', { status: 404, code: 'not-found' }],
    ['/api/v1/agent/nothing', { status: 404, code: 'not-found' }],
    ['/api/v1/jobs?colour=red', invalid('query')],
    ['/api/v1/jobs?limit=0', invalid('query.limit')],
    ['/api/v1/jobs?limit=501', invalid('query.limit')],
    ['/api/v1/jobs?limit=ten', invalid('query.limit')],
    ['/api/v1/jobs?status=RUNNING_AWAY', invalid('query.status')],
    ['/api/v1/jobs?createdAfter=yesterday', invalid('query.createdAfter')],
    ['/api/v1/jobs?after=17', invalid('query.after')],
    ['/api/v1/jobs?cursor=rubbish', invalid('query.cursor')],
    ['/api/v1/jobs?name=a%00b', invalid('query.name')],
    ['/api/v1/audit?cursor=rubbish', invalid('query.cursor')],
    ['/api/v1/audit?actor=%00', invalid('query.actor')],
    ['/api/v1/agents?cursor=%00', invalid('query.cursor')],
    ['/api/v1/events?limit=1001', invalid('query.limit')],
    ['/api/v1/stream?after=now', invalid('query.after')],
  ])('is refused: %s', async (path, refusal: Refusal) => {
    expectRefusal(await stack.admin.request('GET', path), refusal);
  });

  it('by a method that the path does not have says which it has', async () => {
    const answer = await stack.admin.request('DELETE', '/api/v1/jobs');
    expectRefusal(answer, { status: 405, code: 'method-not-allowed' });
    expect(answer.headers.get('allow')?.split(', ')).toEqual(expect.arrayContaining(['GET', 'POST']));
  });
});

describe('credentials', () => {
  const refused: Refusal = { status: 401, code: 'unauthenticated' };
  it('are needed at every door', async () => {
    for (const authorization of ['', 'Basic YTpi', 'Bearer', 'Bearer x', `Bearer sbk_${'A'.repeat(43)}`]) {
      const headers = { authorization };
      expectRefusal(await anonymous().request('GET', '/api/v1/jobs', undefined, headers), refused);
      expectRefusal(await anonymous().request('POST', `${agentPrefix}/poll`, {}, headers), refused);
    }
    const answer = await anonymous().request('GET', '/api/v1/jobs');
    expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/);
  });

  it('of one door are worth nothing at the other', async () => {
    expectRefusal(await device.client.request('GET', '/api/v1/jobs'), refused);
    expectRefusal(await stack.admin.request('POST', `${agentPrefix}/poll`, {}), refused);
  });
});

describe('an enrolment', () => {
  const enrol = (body: object) => anonymous().request('POST', `${agentPrefix}/enrol`, body);
  const tokenInvalid: Refusal = { status: 401, code: 'token-invalid' };

  it('needs a token that counts, once', async () => {
    expectRefusal(await enrol({ token: 'x'.repeat(47), ...machine }), tokenInvalid);
    expectRefusal(await enrol({ token: 'short', ...machine }), invalid('token'));
    expectRefusal(await enrol(machine), invalid('token'));
    const { token } = await issueToken(stack.admin, { name: 'once' });
    const both = await Promise.all([enrol({ token, ...machine }), enrol({ token, ...machine })]);
    expect(both.map(({ status }) => status).toSorted()).toEqual([201, 401]);
    expectRefusal(await enrol({ token, ...machine }), tokenInvalid);
  });

  it('is refused after five minutes', async () => {
    const { token, tokenId } = await issueToken(stack.admin);
    await stack.inside(
      `update gateway.tokens set expires_at = now() - interval '1 second' where token_id = $1`,
      [tokenId],
    );
    expectRefusal(await enrol({ token, ...machine }), tokenInvalid);
  });

  it('is refused with facts that are none, and the token stays good', async () => {
    const { token } = await issueToken(stack.admin);
    expectRefusal(await enrol({ token, ...machine, name: 'a\0b' }), invalid('name'));
    expectRefusal(await enrol({ token, ...machine, properties: { a: 'x\0' } }), invalid('properties.a'));
    expectRefusal(await enrol({ token, ...machine, root: true }), invalid('(body)'));
    expect((await enrol({ token, ...machine, name: 'good' })).status).toBe(201);
  });

  it('for a device that exists is refused when the token is asked for', async () => {
    const post = (body: object) => stack.admin.request('POST', '/api/v1/enrolment-tokens', body);
    expectRefusal(await post({ deviceId: device.deviceId }), { status: 409, code: 'conflict' });
    expectRefusal(await post({ deviceId: 'a b' }), invalid('deviceId'));
    expectRefusal(await post({ name: 'a\0b' }), invalid('name'));
    const key = await stack.admin.request('POST', '/api/v1/keys', { name: 'a\0b', roles: ['viewer'] });
    expectRefusal(key, invalid('name'));
  });
});

describe('a word of an agent', () => {
  const ended: Refusal = { status: 409, code: 'attempt-ended' };
  const end = { status: 'SUCCEEDED', exitCode: 0 };
  const evidenceOf = (jobId: string) =>
    stack.inside(
      `select agent_id, attempt, kind, detail from gateway.evidence where assignment_id like $1 order by id`,
      [`${jobId}-%`],
    );

  it('about another agent’s attempt changes nothing and is kept', async () => {
    const { jobId } = await stack.createJob(shellJob(device.deviceId, 'true'));
    const ref = { jobId, targetId: device.deviceId, attempt: 1 };
    await eventually(async () => (await getAssignment(stack.admin, jobId)).status === 'SCHEDULED');
    expectRefusal(await other.say(ref, 'claim'), { status: 409, code: 'not-claimable' });
    await device.claim(ref);
    const before = await logLength();
    expectRefusal(await other.say(ref, 'claim'), { status: 409, code: 'not-claimable' });
    expectRefusal(await other.say(ref, 'renew'), ended);
    expectRefusal(await other.say(ref, 'output', { chunks: [chunk(1, 'forged')] }), ended);
    expectRefusal(await other.say(ref, 'status', end), ended);
    expect((await other.poll({ holding: [ref] })).drop).toEqual([ref]);
    expect(await logLength()).toBe(before);
    expect((await evidenceOf(jobId)).map((row) => [row['agent_id'], row['kind']])).toEqual([
      [other.agentId, 'output'],
      [other.agentId, 'status'],
    ]);
    await finish(ref);
    expect(await outputText(stack.admin, jobId)).toBe('');
  });

  it('from an old attempt is answered 409 unless it repeats what was taken, is kept, and changes nothing', async () => {
    const old = await running({ limits: { maxAttempts: 2 } });
    const failed = await device.report(old, { status: 'FAILED', exitCode: 1 });
    expect(await device.report(old, { status: 'FAILED', exitCode: 1 })).toMatchObject({
      position: failed.position,
      repeated: true,
    });
    const { offer } = await device.poll({ waitMs: 10_000 });
    expect(offer).toMatchObject({ jobId: old.jobId, attempt: 2 });
    const before = await logLength();
    expect(await device.report(old, { status: 'FAILED', exitCode: 1 })).toMatchObject({ repeated: true });
    expectRefusal(await device.say(old, 'status', { ...end, failedStep: 'x\0' }), invalid('failedStep'));
    expectRefusal(await device.say(old, 'status', end), ended);
    expectRefusal(await device.say(old, 'output', { chunks: [chunk(1, 'late')] }), ended);
    expectRefusal(await device.say(old, 'renew'), ended);
    expectRefusal(await device.say(old, 'claim'), ended);
    expectRefusal(await device.say({ ...old, attempt: 3 }, 'status', end), ended);
    expect(await logLength()).toBe(before);
    const kept = await evidenceOf(old.jobId);
    expect(kept.map((row) => [row['attempt'], row['kind']])).toEqual([
      [1, 'status'],
      [1, 'output'],
      [3, 'status'],
    ]);
    await finish({ ...old, attempt: 2 });
    expectRefusal(await device.say({ ...old, attempt: 2 }, 'status', { status: 'FAILED' }), ended);
    expect(await untilEnd(stack.admin, old.jobId)).toMatchObject({ status: 'SUCCEEDED' });
  });

  it('about what does not exist is refused', async () => {
    const ref = { jobId: '00000000-0000-4000-8000-000000000000', targetId: device.deviceId, attempt: 1 };
    expectRefusal(await device.say(ref, 'status', end), ended);
    expectRefusal(await device.say({ ...ref, attempt: 0 }, 'status', end), invalid('path.attempt'));
    expectRefusal(await device.say({ ...ref, jobId: 'x' }, 'renew'), invalid('path.jobId'));
    expectRefusal(
      await device.client.request('POST', `${agentPrefix}/poll`, { waitMs: 70_000 }),
      invalid('waitMs'),
    );
    expectRefusal(await device.client.request('POST', `${agentPrefix}/poll`, '{'), {
      status: 400,
      code: 'malformed-json',
    });
  });

  it('about output must fit to what is stored', async () => {
    const ref = await running();
    const output = (...chunks: readonly unknown[]) => device.say(ref, 'output', { chunks });
    const gap = expectRefusal(await output(chunk(2, 'second')), { status: 409, code: 'output-gap' });
    expect(gap.expected).toMatchObject({ nextSequence: 1 });
    const stored = await device.send(ref, [chunk(1, 'first\n')]);
    expect(await device.send(ref, [chunk(1, 'first\n')])).toEqual(stored);
    expectRefusal(await output({ ...chunk(2, 'x'), data: 'eA==' }), invalid('chunks.0.text'));
    expectRefusal(await output({ ...chunk(2, 'x'), text: undefined, data: '!' }), invalid('chunks.0.data'));
    expectRefusal(await output({ ...chunk(2, 'x'), stream: 'stdlog' }), invalid('chunks.0.stream'));
    expectRefusal(await output(chunk(2, 'x'.repeat(limits.outputChunkBytes + 1))), invalid('chunks.0.text'));
    expectRefusal(await output(chunk(2, 'ü'.repeat(limits.outputChunkBytes))), {
      status: 400,
      code: 'invalid-request',
    });
    expectRefusal(await output(), invalid('chunks'));
    for (const at of [
      'soon',
      '2026-02-30T00:00:00Z',
      '0000-01-01T00:00:00Z',
      '9999-12-31T23:59:59.999999999Z',
    ])
      expectRefusal(await output({ ...chunk(2, 'x'), at }), invalid('chunks.0.at'));
    const mismatch = await device.say(ref, 'status', { ...end, outputBytes: 6, outputHash: '0'.repeat(64) });
    const { expected, detail } = expectRefusal(mismatch, { status: 409, code: 'output-mismatch' });
    expect(expected).toEqual(stored);
    expect(detail).toContain('from sequence 2 on');
    await device.report(ref, { ...end, outputBytes: stored.bytes, outputHash: stored.hash });
    expect(await outputText(stack.admin, ref.jobId)).toBe('first\n');
  });

  it('from a clock that is far off is taken, and the log keeps its own time', async () => {
    const ref = await running();
    const clocks = ['1970-01-01T00:00:00Z', '2199-12-31T23:59:59.999999999Z', '2026-01-31T12:00:00Z'];
    await device.send(
      ref,
      clocks.map((at, index) => ({ ...chunk(index + 1, `a\0${index}\n`), at })),
    );
    await finish(ref);
    const job = await untilEnd(stack.admin, ref.jobId);
    expect(Math.abs(Date.parse(job.endedAt ?? '') - Date.now())).toBeLessThan(60_000);
    const page = await stack.admin.get(`/api/v1/jobs/${ref.jobId}/output`);
    expect(page).toMatchObject({
      chunks: [
        { at: '1970-01-01T00:00:00.000Z', text: 'a\x000\n' },
        { at: expect.stringMatching(/^2(199|200)/) },
        {},
      ],
    });
  });
});

/** As one that has stolen a service's password. */
const connectAs = (user: BusUser): Promise<NatsConnection> =>
  connect({ ...parseBusAddress(stack.system.natsUrlOf(user)), inboxPrefix: inboxPrefixOf(user) });

describe('the bus', () => {
  it('may carry anything: our readers pass it over', async () => {
    const nc = await connectAs('relay');
    const gateway = await connectAs('device-gateway');
    try {
      const foreign = headers();
      const fields = {
        'ce-specversion': '1.0',
        'ce-id': '11111111-1111-4111-8111-111111111111',
        'ce-type': 'JobCreated',
        'ce-source': 'urn:signalbox:another-store',
        'ce-time': '2026-01-31T12:00:00.000Z',
        'ce-subject': 'job-1',
        'ce-version': '1',
        'ce-recordedat': '2026-01-31T12:00:00.000Z',
        'ce-actortype': 'service',
        'ce-actorid': 'x',
        'ce-correlationid': 'x',
        'ce-streamversion': '1',
        'ce-position': '0009999999999999',
        'ce-previous': '0009999999999998',
      };
      for (const [name, value] of Object.entries(fields)) foreign.set(name, value);
      const before = await stack.createJob(shellJob(device.deviceId, 'true'));
      for (const data of ['', 'garbage', '{', '\ufffd\0', 'x'.repeat(100_000)]) {
        nc.publish('events.JobCreated.x', data);
        nc.publish(`events.JobStatusChanged.${before.jobId}`, data);
        nc.publish('events.Unknown', data, { headers: foreign });
      }
      gateway.publish('signalbox.relay.wake', 'garbage');
      gateway.publish(`signalbox.output.${before.jobId}`, 'garbage');
      await Promise.all([nc.flush(), gateway.flush()]);
      const ref = { jobId: before.jobId, targetId: device.deviceId, attempt: 1 };
      expect((await device.poll({ waitMs: 10_000 })).offer?.jobId).toBe(before.jobId);
      await finish(ref);
      expect(await auditOf(stack, before.jobId)).toHaveLength(4);
      const after = await running();
      await finish(after);
      expect(await auditOf(stack, after.jobId)).toHaveLength(4);
    } finally {
      await Promise.all([nc.close(), gateway.close()]);
    }
  });

  it('may carry calls that are none: they are refused, and the next is answered', async () => {
    const nc = await connectAs('api');
    try {
      const before = await logLength();
      const context = {
        commandId: '11111111-1111-4111-8111-111111111111',
        actor: { type: 'principal', id: 'x' },
      };
      for (const pattern of [
        'scheduler.job.create',
        'dispatcher.job.cancel',
        'gateway.output.read',
        'audit.jobs.list',
      ]) {
        for (const data of ['', 'garbage', '[]', '{}', '{"id":1,"data":null}']) nc.publish(pattern, data);
        for (const data of [{ context, request: 5 }, { context, request: { colour: 'red' } }, {}, null]) {
          const answer = await nc.request(pattern, JSON.stringify(data), { timeout: 5_000 });
          const refusal = field(answer.json(), 'refusal');
          expect({ pattern, refusal }).toMatchObject({ refusal: { code: 'invalid-request' } });
        }
      }
      expect(await logLength()).toBe(before);
    } finally {
      await nc.close();
    }
    const ref = await running();
    await finish(ref);
    expect(await stack.admin.get('/api/v1/jobs?limit=1')).toMatchObject({ items: [{ jobId: ref.jobId }] });
  });
});

describe('after all of it', () => {
  it('the log has nothing half-done and nothing was put aside', async () => {
    await settle(stack, new Set());
    expect((await judge(stack, 60_000, [device.credential, other.credential])).violations).toEqual([]);
    for (const schema of ['audit', 'dispatcher', 'gateway'])
      expect(await stack.inside(`select stream, reason from ${schema}.parked`)).toEqual([]);
    const health = await fetch(`${stack.system.apiUrl}/health/ready`);
    expect(await health.json()).toMatchObject({ status: 'ok' });
  });
});
