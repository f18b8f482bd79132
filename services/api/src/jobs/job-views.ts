import { DomainError, type AssignmentView, type CallContext, type JobDetail } from '@signalbox/contracts';
import { type CallClient, type Logger } from '@signalbox/service-kit';
import { type JobLog } from './job-log.ts';

export interface JobQuery {
  readonly jobId: string;
  readonly after?: string | undefined;
}

/** Refusals of the view after which the log is asked: it is away, behind, or has no row yet. */
const falls = new Set(['unavailable', 'not-caught-up', 'not-found']);

/** One try to find the view; it waits up to 2 s for a position, so the answer may take a little longer. */
const patience = { findMs: 0, timeoutMs: 3_000 };

/** Single jobs, from the view of the audit service where it can answer, else from the log: true with audit stopped. */
export class JobViews {
  readonly #calls: CallClient;
  readonly #log: JobLog;
  readonly #logger: Logger;
  constructor(calls: CallClient, log: JobLog, logger: Logger) {
    this.#calls = calls;
    this.#log = log;
    this.#logger = logger;
  }

  /** @throws DomainError `not-found` */
  job(query: JobQuery, context: CallContext): Promise<JobDetail> {
    return this.#either(
      query,
      (request) => this.#calls.call('getJob', request, context, patience),
      () => this.#log.job(query.jobId),
    );
  }

  /** @throws DomainError `not-found` */
  assignments(query: JobQuery, context: CallContext): Promise<readonly AssignmentView[]> {
    return this.#either(
      query,
      async (request) => {
        const { items } = await this.#calls.call('listAssignments', request, context, patience);
        if (items.length === 0) throw new DomainError('not-found', 'expected an assignment, got none yet');
        return items;
      },
      () => this.#log.assignments(query.jobId),
    );
  }

  async #either<T>(
    { jobId, after }: JobQuery,
    fromView: (request: { jobId: string; after?: string }) => Promise<T>,
    fromLog: () => Promise<T>,
  ): Promise<T> {
    try {
      return await fromView({ jobId, ...(after === undefined ? {} : { after }) });
    } catch (error) {
      if (!(error instanceof DomainError) || !falls.has(error.code)) throw error;
      this.#logger.debug('answering from the log', { jobId, code: error.code });
      return fromLog();
    }
  }
}
