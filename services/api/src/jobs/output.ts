import { DomainError, type CallContext, type OutputPage, type ReadOutput } from '@signalbox/contracts';
import { type CallClient, type CallOptions } from '@signalbox/service-kit';

export interface OutputQuery extends ReadOutput {
  readonly jobId: string;
  readonly targetId: string;
}

const pageSize = 1000;

/** Output of attempts, read from the gateway that owns it. */
export class Output {
  readonly #calls: CallClient;
  constructor(calls: CallClient) {
    this.#calls = calls;
  }

  page(query: OutputQuery, context: CallContext, options: CallOptions = {}): Promise<OutputPage> {
    return this.#calls.call('readOutput', query, context, options);
  }

  /** Exact bytes of an attempt from a sequence on, page by page; both streams in the order in which they were written. */
  async *bytes(first: OutputPage, query: OutputQuery, context: CallContext): AsyncGenerator<Buffer> {
    let page = first;
    while (page.chunks.length > 0) {
      yield Buffer.concat(page.chunks.map(({ data }) => Buffer.from(data, 'base64')));
      const { attempt, nextSequence } = page;
      page = await this.page({ ...query, attempt, fromSequence: nextSequence, limit: pageSize }, context);
    }
  }

  /** A page, or undefined where there is no output yet. */
  async pageIfAny(
    query: OutputQuery,
    context: CallContext,
    options?: CallOptions,
  ): Promise<OutputPage | undefined> {
    try {
      return await this.page(query, context, options);
    } catch (error) {
      if (error instanceof DomainError && error.code === 'not-found') return undefined;
      throw error;
    }
  }
}
