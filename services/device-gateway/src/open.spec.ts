import { describe, expect, it } from '@jest/globals';
import { InMemoryEventStore } from '@signalbox/event-store/testing';
import { Story } from '@signalbox/testkit';
import { type OpenAssignment, evolveOpen } from './open.ts';
import { OpenAssignments } from './open-assignments.ts';

const newStory = () => new Story(new InMemoryEventStore(), 'pi');
const fold = async (story: Story): Promise<OpenAssignment | undefined> =>
  (await story.all()).reduce<OpenAssignment | undefined>(evolveOpen, undefined);
const never = new AbortController().signal;

describe('an open attempt', () => {
  it('begins with its assignment and knows the stream’s version', async () => {
    const story = newStory();
    await story.create();
    await story.assign();
    expect(await fold(story)).toMatchObject({ targetId: 'pi', claimedAt: null, loaded: { version: 1 } });
    await story.claim();
    const open = await fold(story);
    expect(open?.loaded).toMatchObject({ version: 2, state: { status: 'IN_PROGRESS', agentId: 'pi' } });
    expect(open?.claimedAt).not.toBeNull();
  });

  it('is gone with its end and with another attempt to come', async () => {
    const story = newStory();
    await story.create();
    await story.assign(1, 2);
    await story.claim();
    await story.report('FAILED');
    expect(await fold(story)).toBeUndefined();
    await story.assign(2, 2);
    expect((await fold(story))?.assigned.attempt).toBe(2);
  });

  it('ignores versions it has passed', async () => {
    const story = newStory();
    await story.create();
    const [assigned] = await story.assign();
    await story.claim();
    const open = await fold(story);
    expect(assigned && evolveOpen(open, assigned)).toBe(open);
  });
});

describe('the open assignments of a replica', () => {
  it('wakes the poll of the agent concerned, and only that', async () => {
    const story = newStory();
    const open = new OpenAssignments();
    await story.create();
    const events = await story.assign();
    const waiting = open.wait('pi', open.changesOf('pi'), 60_000, never);
    const other = new AbortController();
    let otherWoke = false;
    const foreign = open.wait('other', open.changesOf('other'), 60_000, other.signal).then(() => {
      otherWoke = !other.signal.aborted;
    });
    for (const event of events) open.apply(event);
    await waiting;
    expect(open.ofAgent('pi')).toHaveLength(1);
    expect(open.waiting).toBe(1);
    other.abort();
    await foreign;
    expect(otherWoke).toBe(false);
    expect(open.waiting).toBe(0);
  });

  it('does not wait when something changed since the look', async () => {
    const story = newStory();
    const open = new OpenAssignments();
    const seen = open.changesOf('pi');
    await story.create();
    for (const event of await story.assign()) open.apply(event);
    await open.wait('pi', seen, 60_000, never);
    expect(open.waiting).toBe(0);
  });

  it('marks every attempt of a job whose cancel was requested', async () => {
    const story = newStory();
    const open = new OpenAssignments();
    await story.create();
    for (const event of [...(await story.assign()), ...(await story.claim())]) open.apply(event);
    for (const event of await story.requestCancel()) open.apply(event);
    expect(open.ofAgent('pi')[0]).toMatchObject({ cancelRequested: true });
  });

  it('ends all waiting when it drains', async () => {
    const open = new OpenAssignments();
    const waiting = open.wait('pi', 0, 60_000, never);
    open.drain();
    await waiting;
    await open.wait('pi', 0, 60_000, never);
    expect(open.waiting).toBe(0);
  });
});
