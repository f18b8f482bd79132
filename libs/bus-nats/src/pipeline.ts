import { type Msg, type NatsConnection, type Subscription } from '@nats-io/transport-node';
import type { Position, RecordedEvent } from '@signalbox/contracts';
import { newInbox } from './connection.ts';
import { HeaderBlock } from './header-block.ts';
import { encodeEvent } from './message.ts';

interface Pending {
  readonly event: RecordedEvent;
  readonly sentAt: number;
  /** Sequence that the message gets if all goes well. */
  readonly sequence: number;
  acknowledged: boolean;
}

export interface PipelineOptions {
  readonly connection: NatsConnection;
  readonly storeId: string;
  /** Sequence of the stream's last message. */
  readonly lastSequence: number;
  /** Called after every acknowledgement and at the failure. */
  readonly onProgress: () => void;
  /** Called for each event, in order, once it and all before it are acknowledged: milliseconds since it was sent. */
  readonly onPublished?: ((event: RecordedEvent, durationMs: number) => void) | undefined;
}

/** Why a pipeline ended. */
export interface PipelineFailure {
  readonly reason: string;
  /** Position of an event that the server knew already and did not store again. */
  readonly known: Position | undefined;
}

/**
 * Publishes events one behind the other without waiting: each message expects the one before it, by sequence and id, so the
 * server refuses all that follow a lost, refused or foreign one. One inbox takes all answers; this is twice as fast as
 * one request per message. After a failure it publishes nothing more.
 */
export class Pipeline {
  readonly #options: PipelineOptions;
  readonly #inbox: string;
  readonly #answers: Subscription;
  readonly #pending: Pending[] = [];
  #base = 0;
  #count = 0;
  #lastSequence: number;
  #lastId: string | undefined;
  #acknowledged: Position | undefined;
  #failure: PipelineFailure | undefined;
  #progressAt = performance.now();

  constructor(options: PipelineOptions) {
    this.#options = options;
    this.#lastSequence = options.lastSequence;
    this.#inbox = `${newInbox(options.connection)}.`;
    this.#answers = options.connection.subscribe(`${this.#inbox}*`, {
      callback: (error, message) => {
        if (error !== null) this.#fail(error.message);
        else this.#answered(message);
      },
    });
  }

  /** Sends one event; `previous` is the position of the one before it. */
  publish(event: RecordedEvent, previous: Position): void {
    if (this.#failure !== undefined) return;
    const { subject, fields, body } = encodeEvent(event, previous, this.#options.storeId);
    const headers = new HeaderBlock(fields + this.#expectations());
    if (this.inFlight() === 0) this.#progressAt = performance.now();
    const token = this.#base + this.#pending.length;
    this.#options.connection.publish(subject, body, { headers, reply: this.#inbox + token });
    this.#lastSequence += 1;
    this.#lastId = event.id;
    const sentAt = performance.now();
    this.#pending.push({ event, sentAt, sequence: this.#lastSequence, acknowledged: false });
  }

  inFlight(): number {
    return this.#pending.length;
  }

  /** Position up to which all is acknowledged, once something is. */
  acknowledged(): Position | undefined {
    return this.#acknowledged;
  }

  /** How many events were acknowledged since this was asked last. */
  takeAcknowledgedCount(): number {
    const count = this.#count;
    this.#count = 0;
    return count;
  }

  /** Sequence of the stream's last message when all in flight is stored. */
  lastSequence(): number {
    return this.#lastSequence;
  }

  failure(): PipelineFailure | undefined {
    return this.#failure;
  }

  /** Milliseconds for which messages have been in flight without an answer. */
  stalledMs(): number {
    return this.inFlight() === 0 ? 0 : performance.now() - this.#progressAt;
  }

  close(): void {
    this.#failure ??= { reason: 'closed', known: undefined };
    this.#answers.unsubscribe();
  }

  /**
   * The sequence alone would let the message behind a refused one through when a foreign message has taken its place. The
   * server knows no id of a message that it stored in an earlier life, so the first message here expects none.
   */
  #expectations(): string {
    const sequence = `Nats-Expected-Last-Sequence: ${this.#lastSequence}\r\n`;
    return this.#lastId === undefined
      ? sequence
      : `${sequence}Nats-Expected-Last-Msg-Id: ${this.#lastId}\r\n`;
  }

  #answered(message: Msg): void {
    const index = Number(message.subject.slice(this.#inbox.length)) - this.#base;
    const pending = this.#pending[index];
    if (pending === undefined || this.#failure !== undefined) return;
    this.#progressAt = performance.now();
    const answer = readAnswer(message);
    if (answer.error !== undefined) return this.#fail(answer.error);
    if (answer.sequence !== pending.sequence) {
      const got = `sequence ${answer.sequence}${answer.duplicate ? ' of an earlier publication' : ''}`;
      return this.#fail(
        `expected sequence ${pending.sequence}, got ${got}`,
        answer.duplicate ? pending.event.position : undefined,
      );
    }
    pending.acknowledged = true;
    this.#advance();
  }

  #advance(): void {
    const open = this.#pending.findIndex((each) => !each.acknowledged);
    const done = this.#pending.splice(0, open === -1 ? this.#pending.length : open);
    const last = done.at(-1);
    if (last === undefined) return;
    this.#acknowledged = last.event.position;
    this.#base += done.length;
    this.#count += done.length;
    const { onPublished, onProgress } = this.#options;
    if (onPublished !== undefined) {
      const now = performance.now();
      for (const { event, sentAt } of done) onPublished(event, now - sentAt);
    }
    onProgress();
  }

  #fail(reason: string, known?: Position): void {
    this.#failure ??= { reason, known };
    this.#options.onProgress();
  }
}

interface Answer {
  readonly sequence: number;
  readonly duplicate: boolean;
  readonly error: string | undefined;
}

const readAnswer = (message: Msg): Answer => {
  const failed = (error: string): Answer => ({ sequence: 0, duplicate: false, error });
  if (message.data.length === 0) {
    return failed(message.headers?.code === 503 ? 'no stream took the message' : 'an empty answer');
  }
  const answer: { seq?: unknown; duplicate?: unknown; error?: { description?: unknown } } = message.json();
  if (answer.error !== undefined) return failed(String(answer.error.description));
  return { sequence: Number(answer.seq), duplicate: answer.duplicate === true, error: undefined };
};
