import type { Fields } from './answers.ts';
import { isRecord } from './answers.ts';
import { bootId, findProcess } from './proc.ts';
import { attemptPath, readState, removeState, StateFileRefused, writeState } from './state-files.ts';
import type { AttemptEnd, AttemptRef } from './wire.ts';

/** The first process of a step, so that it is known again after a restart of the agent. */
export interface Leader {
  readonly pid: number;
  readonly startTicks: number | null;
}

/** What the agent must not forget of the attempt that it runs. */
export interface JournalEntry {
  readonly ref: AttemptRef;
  readonly killGraceMs: number;
  /** Pids mean something within one life of the system only. */
  readonly bootId: string | null;
  readonly leader: Leader | null;
  /** Set when the attempt has ended and the server does not know yet. */
  readonly end: AttemptEnd | null;
}

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

const decodeEntry = (fields: Fields): JournalEntry | null => {
  const { jobId, targetId, attempt, killGraceMs, leader } = fields;
  if (typeof jobId !== 'string' || typeof targetId !== 'string' || typeof attempt !== 'number') return null;
  return {
    ref: { jobId, targetId, attempt },
    killGraceMs: typeof killGraceMs === 'number' ? killGraceMs : 0,
    bootId: typeof fields.bootId === 'string' ? fields.bootId : null,
    leader:
      isRecord(leader) && typeof leader.pid === 'number'
        ? { pid: leader.pid, startTicks: typeof leader.startTicks === 'number' ? leader.startTicks : null }
        : null,
    end: decodeEnd(fields.end),
  };
};

/**
 * One file that names the running attempt. It is on disk before the first process of the attempt starts and goes when
 * the server has taken the end: an attempt found at a start was interrupted, and is never run again.
 */
export class Journal {
  readonly #path: string;
  #entry: JournalEntry | null = null;
  constructor(stateDir: string) {
    this.#path = attemptPath(stateDir);
  }

  /** What an earlier run of the agent left; null when it left nothing, or nothing readable. */
  read(): JournalEntry | null {
    try {
      const fields = readState(this.#path);
      return fields === null ? null : decodeEntry(fields);
    } catch (error) {
      if (error instanceof StateFileRefused) return null;
      throw error;
    }
  }

  /** Survives a power cut when this returns. @throws when the state folder cannot be written */
  begin(ref: AttemptRef, killGraceMs: number): void {
    this.#write({ ref, killGraceMs, bootId: bootId(), leader: null, end: null }, true);
  }

  /** Survives a crash of the agent; after a power cut there is no process to find. */
  noteLeader(pid: number): void {
    this.#amend({ leader: { pid, startTicks: findProcess(pid)?.startTicks ?? null } }, false);
  }

  /** Keeps the end of the attempt while the server is away. */
  noteEnd(end: AttemptEnd): void {
    if (this.#entry?.end === null) this.#amend({ end }, true);
  }

  /** The attempt is over for this agent. */
  clear(): void {
    this.#entry = null;
    removeState(this.#path);
  }

  /** A full disk costs this note only: processes are also found by their marker, and the attempt counts as interrupted. */
  #amend(note: Partial<JournalEntry>, isDurable: boolean): void {
    if (this.#entry === null) return;
    try {
      this.#write({ ...this.#entry, ...note }, isDurable);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error)) throw error;
    }
  }

  #write(entry: JournalEntry, isDurable: boolean): void {
    this.#entry = entry;
    const { ref, ...rest } = entry;
    writeState(this.#path, { ...ref, ...rest }, isDurable);
  }
}
