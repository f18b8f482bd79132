import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { type CallContext, CreateJob, type DataOf, decodeEvent, streams } from '@signalbox/contracts';
import { type DeviceCommand, device } from '@signalbox/domain';
import { handleCommand } from '@signalbox/event-store';
import { InMemoryEventStore } from '@signalbox/event-store/testing';
import { Story, sampleDocument } from '@signalbox/testkit';
import { createJob } from './create-job.ts';

let store: InMemoryEventStore;
const deviceId = 'pi-1';
const now = () => '2026-01-31T12:00:00.000Z';
const by = (id = 'anna'): CallContext => ({ commandId: randomUUID(), actor: { type: 'principal', id } });

const tell = (command: DeviceCommand) =>
  handleCommand(store, device, streams.device(deviceId), command, {
    commandId: randomUUID(),
    actor: { type: 'service', id: 'tester' },
    correlationId: deviceId,
    causationId: null,
    now: now(),
  });

const enrolment: DataOf<'DeviceEnrolled'> = {
  deviceId,
  agentId: deviceId,
  tokenId: 'token',
  name: 'pi',
  agentVersion: '1',
  os: 'linux',
  architecture: 'arm64',
  properties: {},
};

beforeEach(async () => {
  store = new InMemoryEventStore();
  await tell({
    type: 'IssueToken',
    deviceId,
    tokenId: 'token',
    name: 'pi',
    expiresAt: '2026-01-31T12:05:00.000Z',
  });
  await tell({ type: 'Enrol', now: now(), ...enrolment });
});

const request = (overrides: Record<string, unknown> = {}): CreateJob =>
  CreateJob.parse({
    name: 'hello',
    document: sampleDocument(),
    target: { type: 'device', ids: [deviceId] },
    ...overrides,
  });
const create = (overrides: Record<string, unknown> = {}, idempotencyKey: string | null = null, call = by()) =>
  createJob(store, { request: request(overrides), idempotencyKey }, call, now);
const refusal = (overrides: Record<string, unknown>) =>
  create(overrides).then(
    () => 'a job, where a refusal was expected',
    (error: unknown) => error,
  );

it('records who asked for what, with all limits and the hash of the document', async () => {
  const { jobId, repeated } = await create({ limits: { maxAttempts: 3 }, reason: 'because' });
  const [recorded] = await store.read(streams.job(jobId));
  const event = recorded && decodeEvent(recorded);
  expect(repeated).toBe(false);
  expect(event).toMatchObject({
    type: 'JobCreated',
    actor: { type: 'principal', id: 'anna' },
    correlationId: jobId,
    data: { limits: { maxAttempts: 3, runTimeoutMs: 3_600_000 }, targets: 1, reason: 'because' },
  });
});

describe('the same Idempotency-Key', () => {
  it('gives the first answer, also when the fields came in another order', async () => {
    const first = await create({ priority: 5, reason: 'x' }, 'key');
    const again = await create({ reason: 'x', priority: 5 }, 'key');
    expect(again).toEqual({ ...first, repeated: true });
  });

  it('is refused for another request', async () => {
    await create({}, 'key');
    await expect(create({ name: 'other' }, 'key')).rejects.toMatchObject({ code: 'idempotency-key-reused' });
  });

  it('of somebody else is another key', async () => {
    const mine = await create({}, 'key', by('anna'));
    const theirs = await create({}, 'key', by('ben'));
    expect(theirs).toMatchObject({ repeated: false });
    expect(theirs.jobId).not.toBe(mine.jobId);
  });

  it('makes one job when it comes twice at once', async () => {
    const answers = await Promise.all([create({}, 'key'), create({}, 'key'), create({}, 'key')]);
    expect(new Set(answers.map((each) => each.jobId)).size).toBe(1);
    expect(answers.filter((each) => !each.repeated)).toHaveLength(1);
  });

  it('still gives the first answer when the device has been revoked since', async () => {
    const first = await create({}, 'key');
    await tell({ type: 'Revoke', deviceId, reason: null });
    expect(await create({}, 'key')).toEqual({ ...first, repeated: true });
    expect(await refusal({})).toMatchObject({ code: 'unknown-target', errors: [{ field: 'target.ids.0' }] });
  });
});

describe('a refusal names the field', () => {
  it.each([
    ['another kind of target', { target: { type: 'group' } }, 'unsupported-target', 'target.type'],
    ['two devices', { target: { type: 'device', ids: ['a', 'b'] } }, 'unsupported-target', 'target.ids'],
    ['no device', { target: { type: 'device' } }, 'invalid-request', 'target.ids'],
    ['an unknown device', { target: { type: 'device', ids: ['nobody'] } }, 'unknown-target', 'target.ids.0'],
    [
      'an unknown template',
      { document: undefined, template: { id: 'nope' } },
      'invalid-request',
      'template.id',
    ],
    [
      'a property of all objects',
      { document: undefined, template: { id: 'toString' } },
      'invalid-request',
      'template.id',
    ],
    ['a job to retry that nobody knows', { retryOf: randomUUID() }, 'invalid-request', 'retryOf'],
  ])('for %s', async (_what, overrides, code, field) => {
    expect(await refusal(overrides)).toMatchObject({ code, errors: [{ field }] });
  });

  it('for a document that is too large', async () => {
    const steps = Array.from({ length: 4 }, (_, index) => ({
      name: `step ${index}`,
      type: 'runShell',
      input: { command: 'x'.repeat(60_000) },
    }));
    expect(await refusal({ document: { steps } })).toMatchObject({
      code: 'body-too-large',
      errors: [{ field: 'document' }],
    });
  });
});

it('repeats a job only when it has ended', async () => {
  const story = new Story(store, deviceId);
  await story.create();
  await story.assign();
  expect(await refusal({ retryOf: story.jobId })).toMatchObject({ errors: [{ field: 'retryOf' }] });
  await story.claim();
  await story.report('FAILED');
  const { jobId } = await create({ retryOf: story.jobId });
  const [recorded] = await store.read(streams.job(jobId));
  expect(recorded && decodeEvent(recorded).data).toMatchObject({ retryOf: story.jobId });
});

it('runs a built-in template by its version', async () => {
  const { jobId } = await create({ document: undefined, template: { id: 'health-check' } });
  const [recorded] = await store.read(streams.job(jobId));
  expect(recorded && decodeEvent(recorded).data).toMatchObject({
    template: { id: 'health-check', version: 1 },
  });
});
