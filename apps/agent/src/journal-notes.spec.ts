import { describe, expect, it } from '@jest/globals';
import { lineOf, readJournal, type JournalEntry, type Note } from './journal-notes.ts';

const ref = { jobId: '0198a0f4-5a8e-7c0e-9d5b-3f6d0a4c1b2e', targetId: 'device-1', attempt: 2 };
const end = {
  status: 'SUCCEEDED',
  reason: { code: 'completed', message: '2 steps completed' },
  exitCode: 0,
  signal: null,
  executedSteps: 2,
  failedStep: null,
} as const;
const notes: readonly Note[] = [
  { kind: 'begin', ...ref, killGraceMs: 500 },
  { kind: 'boot', bootId: 'first' },
  { kind: 'step', index: 0, executedSteps: 0, mayRerun: false },
  { kind: 'leader', pid: 42, startTicks: 7 },
  { kind: 'next', index: 1, executedSteps: 1 },
  { kind: 'step', index: 1, executedSteps: 1, mayRerun: true },
  { kind: 'boot', bootId: 'second' },
  { kind: 'end', end },
];
const begun: JournalEntry = {
  ref,
  killGraceMs: 500,
  bootId: null,
  index: 0,
  executedSteps: 0,
  running: null,
  end: null,
};
const leader = { pid: 42, startTicks: 7 };
const entries: readonly JournalEntry[] = [
  begun,
  { ...begun, bootId: 'first' },
  { ...begun, bootId: 'first', running: { leader: null, mayRerun: false } },
  { ...begun, bootId: 'first', running: { leader, mayRerun: false } },
  { ...begun, bootId: 'first', index: 1, executedSteps: 1 },
  { ...begun, bootId: 'first', index: 1, executedSteps: 1, running: { leader: null, mayRerun: true } },
  { ...begun, bootId: 'second', index: 1, executedSteps: 1, running: { leader: null, mayRerun: true } },
  { ...begun, bootId: 'second', index: 1, executedSteps: 1, running: { leader: null, mayRerun: true }, end },
];
const text = notes.map(lineOf).join('');

describe('the journal', () => {
  it('tells after each note where the attempt is', () => {
    for (const [index, entry] of entries.entries()) {
      const part = notes
        .slice(0, index + 1)
        .map(lineOf)
        .join('');
      expect(readJournal(part)).toEqual({ kind: 'entry', entry, validBytes: part.length });
    }
  });

  it('torn at any byte is at the last whole line', () => {
    const bounds = notes.map(
      (_, index) =>
        notes
          .slice(0, index + 1)
          .map(lineOf)
          .join('').length,
    );
    for (let size = 0; size < text.length; size += 1) {
      const whole = bounds.filter((bound) => bound <= size).length;
      const found = readJournal(text.slice(0, size));
      if (whole === 0) expect(found).toEqual({ kind: 'none' });
      else expect(found).toMatchObject({ entry: entries[whole - 1], validBytes: bounds[whole - 1] });
    }
  });

  it('believes no line that was damaged, nor what follows it', () => {
    const damaged = text.replace('"kind":"next","index":1', '"kind":"next","index":9');
    expect(readJournal(damaged)).toMatchObject({ entry: entries[3] });
  });

  it('says that it is unreadable where an attempt may have run, rather than that there was none', () => {
    expect(readJournal(text.replace('begin', 'begun'))).toEqual({ kind: 'unreadable' });
    expect(readJournal(`${'\0'.repeat(100)}\n`)).toEqual({ kind: 'unreadable' });
    expect(readJournal('')).toEqual({ kind: 'none' });
  });
});
