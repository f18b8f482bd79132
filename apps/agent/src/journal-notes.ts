import { createHash } from 'node:crypto';
import { isRecord, type Fields } from './answers.ts';
import type { AttemptEnd, AttemptRef } from './wire.ts';

/** The first process of a step, so that it is known again after a restart of the agent. */
export interface Leader {
  readonly pid: number;
  readonly startTicks: number | null;
}

/** One line of the journal. */
export type Note =
  | ({ readonly kind: 'begin'; readonly killGraceMs: number } & AttemptRef)
  /** The agent works on the attempt in this life of the system. */
  | { readonly kind: 'boot'; readonly bootId: string | null }
  /** All steps before this one have finished; it is about to start. */
  | {
      readonly kind: 'step';
      readonly index: number;
      readonly executedSteps: number;
      readonly mayRerun: boolean;
    }
  | ({ readonly kind: 'leader' } & Leader)
  /** All steps before this one have finished, nothing runs. */
  | { readonly kind: 'next'; readonly index: number; readonly executedSteps: number }
  | { readonly kind: 'end'; readonly end: AttemptEnd };

/** What the journal says of an attempt. */
export interface JournalEntry {
  readonly ref: AttemptRef;
  readonly killGraceMs: number;
  /** Pids mean something within one life of the system only; null where there is no such thing. */
  readonly bootId: string | null;
  /** The step that runs, or the next one. */
  readonly index: number;
  /** Steps that were started before that one. */
  readonly executedSteps: number;
  /** Null between two steps. */
  readonly running: { readonly leader: Leader | null; readonly mayRerun: boolean } | null;
  /** Set when the attempt has ended; the server may not know yet. */
  readonly end: AttemptEnd | null;
}

const checkOf = (json: string): string => createHash('sha256').update(json).digest('hex').slice(0, 8);

/** One line with a check in front, so that a line that was written in part is known as such. */
export const lineOf = (note: Note): string => {
  const json = JSON.stringify(note);
  return `${checkOf(json)} ${json}\n`;
};

const endStatuses = ['SUCCEEDED', 'FAILED', 'TIMED_OUT', 'CANCELED', 'REJECTED'] as const;
const reasonCodes = [
  'completed',
  'step-failed',
  'start-failed',
  'run-timeout',
  'cancel-requested',
  'process-state-unknown',
  'interrupted',
  'rejected-by-agent',
] as const;

const decodeEnd = (value: unknown): AttemptEnd | null => {
  if (!isRecord(value) || !isRecord(value.reason)) return null;
  const status = endStatuses.find((each) => each === value.status);
  const code = reasonCodes.find((each) => each === (isRecord(value.reason) ? value.reason.code : undefined));
  const { message } = value.reason;
  if (status === undefined || code === undefined || typeof message !== 'string') return null;
  return {
    status,
    reason: { code, message },
    exitCode: typeof value.exitCode === 'number' ? value.exitCode : null,
    signal: typeof value.signal === 'string' ? value.signal : null,
    executedSteps: typeof value.executedSteps === 'number' ? value.executedSteps : 0,
    failedStep: typeof value.failedStep === 'string' ? value.failedStep : null,
  };
};

const begun = (fields: Fields): JournalEntry | null => {
  const { jobId, targetId, attempt, killGraceMs } = fields;
  if (fields.kind !== 'begin' || typeof jobId !== 'string' || typeof targetId !== 'string') return null;
  if (typeof attempt !== 'number') return null;
  return {
    ref: { jobId, targetId, attempt },
    killGraceMs: typeof killGraceMs === 'number' ? killGraceMs : 0,
    bootId: null,
    index: 0,
    executedSteps: 0,
    running: null,
    end: null,
  };
};

/** The entry after one more note; a note of a kind that this version does not know changes nothing. */
const evolve = (entry: JournalEntry, fields: Fields): JournalEntry => {
  const { index, executedSteps, pid, startTicks } = fields;
  const place =
    typeof index === 'number' && typeof executedSteps === 'number' ? { index, executedSteps } : null;
  switch (fields.kind) {
    case 'boot':
      return { ...entry, bootId: typeof fields.bootId === 'string' ? fields.bootId : null };
    case 'step':
      if (place === null) return entry;
      return { ...entry, ...place, running: { leader: null, mayRerun: fields.mayRerun === true } };
    case 'leader':
      if (entry.running === null || typeof pid !== 'number') return entry;
      return {
        ...entry,
        running: {
          ...entry.running,
          leader: { pid, startTicks: typeof startTicks === 'number' ? startTicks : null },
        },
      };
    case 'next':
      return place === null ? entry : { ...entry, ...place, running: null };
    case 'end':
      return { ...entry, end: decodeEnd(fields.end) };
    default:
      return entry;
  }
};

const readLine = (line: string): Fields | null => {
  const json = line.slice(9);
  if (line.slice(0, 9) !== `${checkOf(json)} `) return null;
  try {
    const value: unknown = JSON.parse(json);
    return isRecord(value) ? value : null;
  } catch {
    return null; // cannot be with a right check; means the same
  }
};

/**
 * What a journal says: `none` when it names no attempt of which anything can have run, `unreadable` when it did and is
 * damaged. Lines count up to the first that is torn: what such a line was to announce has not begun.
 */
export type JournalText =
  | { readonly kind: 'none' }
  | { readonly kind: 'unreadable' }
  | { readonly kind: 'entry'; readonly entry: JournalEntry; readonly validBytes: number };

export const readJournal = (text: string): JournalText => {
  const lines = text.split('\n').slice(0, -1);
  let entry: JournalEntry | null = null;
  let validBytes = 0;
  for (const line of lines) {
    const fields = readLine(line);
    if (fields === null) break;
    entry = entry === null ? begun(fields) : evolve(entry, fields);
    if (entry === null) break;
    validBytes += Buffer.byteLength(line) + 1;
  }
  if (entry !== null) return { kind: 'entry', entry, validBytes };
  return { kind: lines.length === 0 ? 'none' : 'unreadable' };
};
