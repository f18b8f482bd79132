import { expect, it } from '@jest/globals';
import type { Event } from '@signalbox/contracts';
import { InMemoryEventStore } from '@signalbox/event-store/testing';
import { Story } from '@signalbox/testkit';
import { type QueueRow, evolveRow } from './row.ts';

const leaseMs = 60_000;
const fold = (events: readonly Event[], from?: QueueRow): QueueRow | undefined =>
  events.reduce<QueueRow | undefined>((row, event) => evolveRow(row, event, leaseMs), from);

const newStory = () => new Story(new InMemoryEventStore());
const at = (event: Event | undefined, ms: number): string =>
  new Date(Date.parse(event?.recordedAt ?? '') + ms).toISOString();

it('queues a job from its start on, with its queue deadline', async () => {
  const story = newStory();
  const [created] = await story.create({ notBefore: '2999-03-01T00:00:00.000Z', priority: 7 });
  expect(fold(await story.all())).toMatchObject({
    phase: 'queued',
    attempts: 0,
    priority: 7,
    notBefore: '2999-03-01T00:00:00.000Z',
    queueDeadline: '2999-03-08T00:00:00.000Z',
    intent: null,
    causeId: created?.id,
  });
});

it('gives a claimed attempt until run timeout, kill grace and one lease have passed', async () => {
  const story = newStory();
  await story.create();
  await story.assign();
  const [claimed] = await story.claim();
  expect(fold(await story.all())).toMatchObject({
    phase: 'running',
    attempts: 1,
    runDeadline: at(claimed, 3_600_000 + 10_000 + leaseMs),
  });
});

it('counts lost time from the expiry, and forgets it when the agent is back', async () => {
  const story = newStory();
  await story.create();
  await story.assign();
  await story.claim();
  const [expired] = await story.expireLease();
  expect(fold(await story.all())?.lostDeadline).toBe(at(expired, 300_000));
  await story.resumeLease();
  expect(fold(await story.all())?.lostDeadline).toBeNull();
});

it('queues another attempt anew, and cancels it instead when a cancel was requested', async () => {
  const story = newStory();
  await story.create();
  await story.assign(1, 2);
  await story.claim();
  const before = fold(await story.all());
  const [ended] = await story.report('FAILED');
  expect(fold(ended ? [ended] : [], before)).toMatchObject({ phase: 'queued', attempts: 1, intent: null });
  const canceled = before && { ...before, cancelRequested: true };
  expect(fold(ended ? [ended] : [], canceled)).toMatchObject({ phase: 'queued', intent: 'cancel' });
});

it('cancels what waits, leaves what runs to its agent, and does not lose a cancel that meets an assignment', async () => {
  const story = newStory();
  await story.create();
  await story.requestCancel();
  expect(fold(await story.all())).toMatchObject({ cancelRequested: true, intent: 'cancel' });
  await story.assign();
  expect(fold(await story.all())).toMatchObject({ phase: 'scheduled', intent: 'cancel' });
  await story.claim();
  expect(fold(await story.all())).toMatchObject({ phase: 'running', intent: null, cancelRequested: true });
});

it('keeps to a revocation, whatever the attempt does meanwhile', async () => {
  const story = newStory();
  await story.create();
  await story.assign(1, 2);
  const row = fold(await story.all());
  const revoking: QueueRow | undefined = row && { ...row, intent: 'revoke' };
  const claimed = await story.claim();
  expect(fold(claimed, revoking)).toMatchObject({ phase: 'running', intent: 'revoke' });
  expect(fold([...claimed, ...(await story.report('FAILED'))], revoking)).toMatchObject({
    phase: 'queued',
    intent: 'revoke',
  });
});

it('lets a notBefore in the past wait as long as any other', async () => {
  const story = newStory();
  const [created] = await story.create({ notBefore: '2020-01-01T00:00:00.000Z' });
  expect(fold(await story.all())?.queueDeadline).toBe(at(created, 604_800_000));
});

it('has no row for what has ended', async () => {
  const story = newStory();
  await story.create();
  await story.assign();
  await story.claim();
  await story.report('SUCCEEDED');
  expect(fold(await story.all())).toBeUndefined();
});
