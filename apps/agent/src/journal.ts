import { closeSync, fdatasync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { lineOf, readJournal, type JournalText, type Note } from './journal-notes.ts';
import { bootId, findProcess } from './proc.ts';
import { journalPath, removeState, syncFolder } from './state-files.ts';
import type { AttemptEnd, Offer } from './wire.ts';

const fullDisk = 'expected space for a line of the journal, got a full disk';

const isDiskError = (error: unknown): boolean =>
  error instanceof Error && ('code' in error || error.message === fullDisk);

/** Puts written bytes on the disk without holding up anything else: a slow card must not cost a lease. */
export const syncData = (handle: number): Promise<void> =>
  new Promise((resolve, reject) => {
    fdatasync(handle, (error) => (error === null ? resolve() : reject(error)));
  });

/**
 * One file of lines that tells what was done of the running attempt. A step is on disk as begun before its first process
 * starts, and as finished before the next one starts or the end is reported; so after a crash or a power cut no finished
 * step runs again. It goes when the server has taken the end. Lines are only appended: a torn one is the last.
 */
export class Journal {
  readonly #stateDir: string;
  readonly #path: string;
  #handle: number | null = null;
  #sizeBytes = 0;
  #isFolderSynced = false;

  constructor(stateDir: string) {
    this.#stateDir = stateDir;
    this.#path = journalPath(stateDir);
  }

  /** What an earlier run of the agent left. */
  read(): JournalText {
    let text: string;
    try {
      text = readFileSync(this.#path, 'utf8');
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return { kind: 'none' };
      throw error;
    }
    return readJournal(text);
  }

  /** Begins the journal of an attempt; on disk with its first step. @throws when the state folder cannot be written */
  begin(offer: Offer): void {
    this.#close();
    this.#handle = openSync(this.#path, 'a', 0o600);
    ftruncateSync(this.#handle, 0);
    this.#sizeBytes = 0;
    this.#isFolderSynced = false;
    const { jobId, targetId, attempt, killGraceMs } = offer;
    this.#write({ kind: 'begin', jobId, targetId, attempt, killGraceMs }, { kind: 'boot', bootId: bootId() });
  }

  /** Goes on with what an earlier run left. @param validBytes its whole lines; the rest is torn */
  goOn(validBytes: number): void {
    this.#close();
    this.#handle = openSync(this.#path, 'a');
    ftruncateSync(this.#handle, validBytes);
    this.#sizeBytes = validBytes;
    this.#write({ kind: 'boot', bootId: bootId() });
  }

  /** The step is about to start. Survives a power cut when it resolves. @throws when it cannot be written */
  async stepStarts(index: number, executedSteps: number, mayRerun: boolean): Promise<void> {
    this.#write({ kind: 'step', index, executedSteps, mayRerun });
    await this.#sync();
  }

  /** Survives a crash of the agent; after a power cut there is no process to find. */
  noteLeader(pid: number): void {
    this.#try({ kind: 'leader', pid, startTicks: findProcess(pid)?.startTicks ?? null });
  }

  /** All steps before this one have finished. Survives a crash of the agent; the next durable note holds it as well. */
  noteNext(index: number, executedSteps: number): void {
    this.#try({ kind: 'next', index, executedSteps });
  }

  /** Keeps the end of the attempt. Survives a power cut when it resolves, unless the disk is full. */
  async noteEnd(end: AttemptEnd): Promise<void> {
    this.#try({ kind: 'end', end });
    await this.#sync().catch((error: unknown) => {
      if (!isDiskError(error)) throw error;
    });
  }

  /** The attempt is over for this agent. */
  clear(): void {
    this.#close();
    removeState(this.#path);
  }

  /** A full disk costs this note only: processes are also found by their marker, and the step counts as interrupted. */
  #try(note: Note): void {
    try {
      this.#write(note);
    } catch (error) {
      if (!isDiskError(error)) throw error;
    }
  }

  #write(...notes: readonly Note[]): void {
    if (this.#handle === null) return;
    const text = Buffer.from(notes.map(lineOf).join(''));
    try {
      const written = writeSync(this.#handle, text);
      if (written < text.length) throw new Error(fullDisk);
      this.#sizeBytes += written;
    } catch (error) {
      // Part of a line would hide all that follow it.
      ftruncateSync(this.#handle, this.#sizeBytes);
      throw error;
    }
  }

  async #sync(): Promise<void> {
    if (this.#handle === null) return;
    await syncData(this.#handle);
    if (this.#isFolderSynced) return;
    await syncFolder(this.#stateDir);
    this.#isFolderSynced = true;
  }

  #close(): void {
    if (this.#handle !== null) closeSync(this.#handle);
    this.#handle = null;
  }
}
