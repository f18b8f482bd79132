import { type DataOf, DomainError, streams } from '@signalbox/contracts';
import { job } from '@signalbox/domain';
import { type EventStore, load } from '@signalbox/event-store';

const mostJobs = 5_000;
const mostBytes = 64 * 1_048_576;

interface Entry {
  readonly created: DataOf<'JobCreated'>;
  readonly sizeBytes: number;
}

/** The documents of young jobs, as the bus brought them, so that a claim needs no query; bounded, oldest out first. */
export class JobDocuments {
  readonly #store: EventStore;
  readonly #entries = new Map<string, Entry>();
  #sizeBytes = 0;

  constructor(store: EventStore) {
    this.#store = store;
  }

  put(created: DataOf<'JobCreated'>): void {
    this.drop(created.jobId);
    const sizeBytes = JSON.stringify(created.document).length;
    this.#entries.set(created.jobId, { created, sizeBytes });
    this.#sizeBytes += sizeBytes;
    for (const jobId of this.#entries.keys()) {
      if (this.#entries.size <= mostJobs && this.#sizeBytes <= mostBytes) break;
      this.drop(jobId);
    }
  }

  clear(): void {
    this.#entries.clear();
    this.#sizeBytes = 0;
  }

  /** Forgets a job: it has ended, or its cancel was requested, which only the store tells with certainty. */
  drop(jobId: string): void {
    const entry = this.#entries.get(jobId);
    if (entry === undefined) return;
    this.#entries.delete(jobId);
    this.#sizeBytes -= entry.sizeBytes;
  }

  /**
   * The job as created.
   *
   * @throws DomainError `not-claimable` its cancel was requested; `not-found`
   */
  async get(jobId: string): Promise<DataOf<'JobCreated'>> {
    const entry = this.#entries.get(jobId);
    if (entry !== undefined) return entry.created;
    const { state } = await load(this.#store, job, streams.job(jobId));
    if (state.kind === 'none') throw new DomainError('not-found', `expected a known job, got ${jobId}`);
    if (state.cancelRequested) {
      throw new DomainError(
        'not-claimable',
        `expected a job to run, got ${jobId}, whose cancel was requested`,
      );
    }
    return state.created;
  }
}
