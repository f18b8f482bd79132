import { describe, expect, it } from '@jest/globals';
import { type Event, assignmentId } from '@signalbox/contracts';
import { type Word, acknowledgedChunks, judgeWords } from './observed.ts';

const jobId = '00000000-0000-4000-8000-000000000001';
const ref = (attempt: number) => ({ jobId, targetId: 'device', attempt });
const word = (kind: Word['kind'], attempt: number, atMs: number, more: Partial<Word> = {}): Word => ({
  kind,
  ref: ref(attempt),
  agentId: 'device',
  meant: 'own',
  sentMs: atMs,
  answeredMs: atMs + 1,
  status: 200,
  ...more,
});

const ended = (attempt: number, to: 'SUCCEEDED' | 'FAILED', agentId = 'device') =>
  ({
    type: 'JobStatusChanged',
    position: '1',
    actor: { type: 'agent', id: agentId },
    data: {
      jobId,
      from: 'IN_PROGRESS',
      to,
      attemptEnd: null,
      assignment: { id: assignmentId(jobId, 'device'), targetId: 'device', agentId, attempt },
    },
  }) as unknown as Event;

const end = (attempt: number, atMs: number, more: Partial<Word> = {}): Word =>
  word('status', attempt, atMs, { reported: 'SUCCEEDED', ...more });

describe('what devices saw', () => {
  it('agrees with the log where a status that was taken is there', () => {
    expect(judgeWords([word('claim', 1, 0), end(1, 10)], [ended(1, 'SUCCEEDED')])).toEqual([]);
  });

  it('contradicts it where a status was taken that the log does not have', () => {
    expect(judgeWords([word('claim', 1, 0), end(1, 10)], [])).toHaveLength(1);
    expect(judgeWords([word('claim', 1, 0), end(1, 10)], [ended(1, 'FAILED')])).toHaveLength(2);
  });

  it('contradicts it where the log has a status that no device gave', () => {
    expect(judgeWords([word('claim', 1, 0)], [ended(1, 'SUCCEEDED')])).toHaveLength(1);
  });

  it('shows two holders where a word of an old attempt is taken after the next was given out', () => {
    const words = [word('claim', 1, 0), word('claim', 2, 10), word('renew', 1, 20, { meant: 'old' })];
    expect(judgeWords(words, [])).toHaveLength(1);
    expect(judgeWords([words[0], words[1], { ...words[2], status: 409 }] as Word[], [])).toEqual([]);
  });

  it('does not blame a word that was on its way when the next attempt was given out', () => {
    expect(judgeWords([word('claim', 1, 0), word('claim', 2, 10), word('renew', 1, 9)], [])).toEqual([]);
  });

  it('does not blame a final status that the platform had already', () => {
    const words = [word('claim', 1, 0), word('claim', 2, 10), end(1, 20, { repeated: true })];
    expect(judgeWords(words, [ended(1, 'SUCCEEDED')])).toEqual([]);
  });

  it('shows a foreign word that was taken', () => {
    expect(judgeWords([word('output', 1, 0, { meant: 'foreign', agentId: 'other' })], [])).toHaveLength(1);
    expect(
      judgeWords([word('output', 1, 0, { meant: 'foreign', agentId: 'other', status: 409 })], []),
    ).toEqual([]);
  });

  it('counts only chunks whose storage was answered', () => {
    const words = [
      word('output', 1, 0, { sequences: [1, 2] }),
      word('output', 1, 5, { sequences: [3], status: 0 }),
    ];
    const id = assignmentId(jobId, 'device');
    expect([...acknowledgedChunks(words)]).toEqual([`${id} 1 1`, `${id} 1 2`]);
  });
});
