import {
  type CallAnswer,
  type CallRequest,
  DomainError,
  type OutputChunk,
  type OutputStored,
  assignmentId,
} from '@signalbox/contracts';
import { continueOutput } from './output-chain.ts';
import { type AttemptKey, type OutputTable, type Tail, emptyTail } from './tables/output.ts';

interface Attempt {
  tail: Tail | undefined;
  queue: Promise<unknown>;
}

/** Where an attempt's output stands, as agents are told. */
export const stored = (tail: Tail): OutputStored => ({
  nextSequence: tail.nextSequence,
  bytes: tail.bytes,
  hash: tail.hash.toString('hex'),
});

const mostAttempts = 20_000;
const tries = 5;

/**
 * Output of running attempts. Chunks of one attempt are taken one request after the other; the tail is remembered, and
 * read again from the table when another replica has written in between.
 */
export class Output {
  readonly #table: OutputTable;
  readonly #grown: (jobId: string) => void;
  readonly #attempts = new Map<string, Attempt>();

  /** `grown` wakes live readers; it may get lost, they also look by themselves. */
  constructor(table: OutputTable, grown: (jobId: string) => void) {
    this.#table = table;
    this.#grown = grown;
  }

  /**
   * Stores chunks durably and answers where the attempt's output stands.
   *
   * @throws DomainError `output-gap`, `invalid-request`
   */
  append(key: AttemptKey & { readonly jobId: string }, chunks: readonly OutputChunk[]): Promise<Tail> {
    const attempt = this.#attemptOf(key);
    const work = attempt.queue.then(() => this.#append(key, attempt, chunks));
    attempt.queue = work.catch(() => undefined);
    return work;
  }

  /** Where the output stands, by memory where this replica wrote last, else by the table. `fresh` always asks the table. */
  async tail(key: AttemptKey, fresh = false): Promise<Tail> {
    const attempt = this.#attemptOf(key);
    await attempt.queue;
    if (fresh || attempt.tail === undefined) attempt.tail = await this.#table.tail(key);
    return attempt.tail;
  }

  /** The attempt has ended. */
  forget(key: Omit<AttemptKey, 'day'>): void {
    this.#attempts.delete(`${key.assignmentId}/${key.attempt}`);
  }

  async read(request: CallRequest<'readOutput'>): Promise<CallAnswer<'readOutput'>> {
    const { jobId, targetId, fromSequence, limit } = request;
    const id = assignmentId(jobId, targetId);
    const attempt = request.attempt ?? (await this.#table.newestAttempt(id)) ?? 1;
    const rows = await this.#table.read({ assignmentId: id, attempt }, fromSequence, limit);
    return {
      jobId,
      targetId,
      attempt,
      chunks: rows.map((row) => ({
        sequence: row.sequence,
        stream: row.stream === 1 ? 'stdout' : 'stderr',
        at: row.at,
        offset: row.offset,
        text: row.bytes.toString('utf8'),
        data: row.bytes.toString('base64'),
      })),
      nextSequence: (rows.at(-1)?.sequence ?? fromSequence - 1) + 1,
    };
  }

  #attemptOf(key: Omit<AttemptKey, 'day'>): Attempt {
    const id = `${key.assignmentId}/${key.attempt}`;
    let attempt = this.#attempts.get(id);
    if (attempt === undefined) {
      attempt = { tail: undefined, queue: Promise.resolve() };
      this.#attempts.set(id, attempt);
      const oldest = this.#attempts.keys().next();
      if (this.#attempts.size > mostAttempts && oldest.done !== true) this.#attempts.delete(oldest.value);
    }
    return attempt;
  }

  async #append(
    key: AttemptKey & { readonly jobId: string },
    attempt: Attempt,
    chunks: readonly OutputChunk[],
  ): Promise<Tail> {
    let isFresh = false;
    for (let count = 0; count < tries; count += 1) {
      // The first chunk of all needs no look: where another replica has rows, the insert will tell.
      const begins = attempt.tail === undefined && chunks[0]?.sequence === 1;
      if (attempt.tail === undefined && !begins) isFresh = true;
      attempt.tail ??= begins ? emptyTail : await this.#table.tail(key);
      const gap = (chunks[0]?.sequence ?? 0) > attempt.tail.nextSequence;
      if (gap && !isFresh) {
        // Another replica may have taken what seems to be missing.
        isFresh = true;
        attempt.tail = await this.#table.tail(key);
      }
      const next = continueOutput(attempt.tail, chunks);
      if (next.rows.length === 0 || (await this.#table.insert(key, next.rows))) {
        attempt.tail = next.tail;
        if (next.rows.length > 0) this.#grown(key.jobId);
        return next.tail;
      }
      attempt.tail = await this.#table.tail(key);
    }
    throw new DomainError(
      'conflict',
      'expected to continue the output, got other writers each time; send it again',
    );
  }
}
