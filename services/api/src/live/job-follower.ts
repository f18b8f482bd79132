import {
  decodeEvent,
  streams,
  subjects,
  type CallContext,
  type Event,
  type RecordedEvent,
} from '@signalbox/contracts';
import { type EventStore } from '@signalbox/event-store';
import type { Output } from '../jobs/output.ts';
import { eventRow } from './event-row.ts';
import { cursorText, type JobCursor } from './job-cursor.ts';
import type { LiveBus } from './live-bus.ts';
import type { SseStream } from './sse.ts';
import { Wake } from './wake.ts';

export interface JobFollowerOptions {
  readonly store: EventStore;
  readonly bus: LiveBus;
  readonly output: Output;
  readonly context: CallContext;
  readonly jobId: string;
  readonly targetId: string;
  readonly cursor: JobCursor;
}

const keepAliveMs = 15_000;
/** Messages that wait for a slow reader; beyond them the log is read instead. */
const mostQueued = 256;
const outputPage = 500;
const retryOutputMs = 1_000;

/**
 * Shows one job to one viewer: its history, then events and output as they come, until its end. Messages may be lost,
 * doubled or late: versions that were shown are dropped, and at a gap or a reconnect the streams are read from the log. The output of
 * an attempt is shown to its end before the event that ends it.
 */
export class JobFollower {
  readonly #options: JobFollowerOptions;
  readonly #stream: SseStream;
  readonly #wake = new Wake();
  readonly #versions = new Map<string, number>();
  readonly #queue: RecordedEvent[] = [];
  #position: string;
  #attempt: number;
  #sequence: number;
  #mustRead = true;
  #hasOutput = true;
  #running = false;
  #ended = false;

  constructor(options: JobFollowerOptions, stream: SseStream) {
    this.#options = options;
    this.#stream = stream;
    this.#position = options.cursor.position;
    this.#attempt = options.cursor.attempt;
    this.#sequence = options.cursor.sequence;
  }

  /** Ends with the job. @throws StreamClosed when the viewer goes; whatever store and gateway throw */
  async run(): Promise<void> {
    const { bus, jobId } = this.#options;
    const stop = bus.listen(
      [
        { subject: subjects.eventsOf(jobId), onEvent: ({ event }) => this.#take(event) },
        { subject: subjects.outputGrown(jobId), onSignal: () => this.#grown() },
      ],
      () => this.#gap(),
    );
    this.#stream.signal.addEventListener('abort', this.#wake.raise);
    try {
      await bus.ready();
      await this.#loop();
    } finally {
      stop();
      this.#stream.signal.removeEventListener('abort', this.#wake.raise);
    }
  }

  async #loop(): Promise<void> {
    for (;;) {
      if (this.#mustRead) await this.#readLog();
      for (let event = this.#queue.shift(); event !== undefined; event = this.#queue.shift())
        await this.#handle(event);
      if (this.#mustRead) continue;
      if (this.#ended)
        return this.#stream.send({ event: 'end', id: this.#id(), data: { jobId: this.#options.jobId } });
      const behind = this.#running && this.#hasOutput && !(await this.#showOutput());
      if (await this.#wake.wait(behind ? retryOutputMs : keepAliveMs)) continue;
      await this.#stream.keepAlive();
      this.#gap();
    }
  }

  #take(event: RecordedEvent): void {
    if (this.#queue.length >= mostQueued) this.#gap();
    else this.#queue.push(event);
    this.#wake.raise();
  }

  #grown(): void {
    this.#hasOutput = true;
    this.#wake.raise();
  }

  /** Something may have been missed: look into the log. */
  #gap(): void {
    this.#queue.length = 0;
    this.#mustRead = true;
    this.#hasOutput = true;
    this.#wake.raise();
  }

  async #readLog(): Promise<void> {
    this.#mustRead = false;
    const { store, jobId, targetId } = this.#options;
    // Up to a common head, so that an event of one stream is never shown before an earlier one of the other.
    const head = await store.head();
    const names = [streams.job(jobId), streams.assignment(jobId, targetId)];
    const read = await Promise.all(
      names.map((name) => store.read(name, (this.#versions.get(name) ?? 0) + 1)),
    );
    const events = read.flat().toSorted((left, right) => (left.position < right.position ? -1 : 1));
    for (const event of events) {
      if (event.position > head) this.#mustRead = true;
      else await this.#handle(event);
    }
  }

  async #handle(event: RecordedEvent): Promise<void> {
    const seen = this.#versions.get(event.stream) ?? 0;
    if (event.streamVersion <= seen) return;
    if (event.streamVersion > seen + 1) {
      this.#gap();
      return;
    }
    this.#versions.set(event.stream, event.streamVersion);
    const decoded = decodeEvent(event);
    const isNew = event.position > this.#position;
    if (isNew && endsAttempt(decoded)) await this.#showAllOutput();
    this.#evolve(decoded);
    if (!isNew) return;
    this.#position = event.position;
    await this.#stream.send({ event: 'event', id: this.#id(), data: eventRow(event) });
  }

  #evolve(event: Event): void {
    if (event.type === 'JobAssigned' && event.data.attempt > this.#attempt) {
      this.#attempt = event.data.attempt;
      this.#sequence = 0;
    }
    if (event.type !== 'JobStatusChanged') return;
    if (event.data.assignment !== null) this.#running = event.data.to === 'IN_PROGRESS';
    if (event.data.job !== null) this.#ended = true;
  }

  /** Shows what there is; false when the gateway does not answer, so that it is asked again soon. */
  async #showOutput(): Promise<boolean> {
    this.#hasOutput = false;
    for (;;) {
      const page = await this.#page(0).catch((error: unknown) => {
        if (this.#stream.signal.aborted) throw error;
        this.#hasOutput = true;
        return 'unavailable' as const;
      });
      if (page === 'unavailable') return false;
      if (!(await this.#show(page))) return true;
    }
  }

  /** Shows output up to its end. Throws when the gateway does not answer: the viewer comes back where it was. */
  async #showAllOutput(): Promise<void> {
    while (await this.#show(await this.#page(5_000)));
  }

  #page(findMs: number) {
    const { output, jobId, targetId, context } = this.#options;
    const query = {
      jobId,
      targetId,
      attempt: this.#attempt,
      fromSequence: this.#sequence + 1,
      limit: outputPage,
    };
    return output.pageIfAny(query, context, { findMs });
  }

  /** Answers whether there may be more. */
  async #show(page: Awaited<ReturnType<Output['pageIfAny']>>): Promise<boolean> {
    if (page === undefined || page.chunks.length === 0) return false;
    const { attempt, targetId } = page;
    for (const chunk of page.chunks) {
      if (chunk.sequence <= this.#sequence) continue;
      this.#sequence = chunk.sequence;
      await this.#stream.send({ event: 'output', id: this.#id(), data: { targetId, attempt, ...chunk } });
    }
    return true;
  }

  #id(): string {
    return cursorText({ position: this.#position, attempt: this.#attempt, sequence: this.#sequence });
  }
}

/** True for the step with which an attempt that ran is over. */
const endsAttempt = (event: Event): boolean =>
  event.type === 'JobStatusChanged' && event.data.assignment !== null && event.data.from === 'IN_PROGRESS';
