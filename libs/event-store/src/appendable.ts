import { instantPattern, limits, type NewEvent } from '@signalbox/contracts';
import { EventIdReused } from './event-store.ts';

/** Thrown by `append` for an event whose body is larger than `limits.eventBytes`; nothing was written. */
export class EventTooLarge extends RangeError {
  readonly eventId: string;
  readonly sizeBytes: number;
  constructor(event: Pick<NewEvent, 'id' | 'type'>, sizeBytes: number) {
    super(`expected ${event.type} ${event.id} of at most ${limits.eventBytes} bytes, got ${sizeBytes}`);
    this.name = 'EventTooLarge';
    this.eventId = event.id;
    this.sizeBytes = sizeBytes;
  }
}

const idPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const maxVersion = 2_147_483_647;
const encoder = new TextEncoder();

const isVersion = (value: number, from: number): boolean =>
  Number.isInteger(value) && value >= from && value < maxVersion;

/** Text that every store keeps byte for byte: no NUL, no half of a surrogate pair. */
const isStorable = (text: string): boolean => text.isWellFormed() && !text.includes('\0');

/** Texts that stores and views index. */
const checkLengths = (event: NewEvent, where: string): void => {
  const { type, actor, correlationId, causationId, traceparent } = event;
  const texts = { type, 'actor.id': actor.id, correlationId, causationId, traceparent };
  for (const [field, text] of Object.entries(texts)) {
    if ((text?.length ?? 0) > limits.indexedText)
      throw new RangeError(
        `expected a ${field} of at most ${limits.indexedText} characters in ${where.slice(0, 100)}, got ${text?.length}`,
      );
  }
};

const checkEvent = (event: NewEvent): void => {
  const where = `${event.type} ${event.id}`;
  const sizeBytes = encoder.encode(event.body).length;
  if (sizeBytes > limits.eventBytes) throw new EventTooLarge(event, sizeBytes);
  if (!idPattern.test(event.id))
    throw new TypeError(`expected a UUID in lower case as event id, got "${event.id}"`);
  if (!isVersion(event.version, 1)) {
    throw new RangeError(`expected a version from 1 on of ${where}, got ${event.version}`);
  }
  if (!instantPattern.test(event.occurredAt) || Number.isNaN(Date.parse(event.occurredAt))) {
    throw new TypeError(
      `expected an ISO-8601 instant in UTC as occurredAt of ${where}, got "${event.occurredAt}"`,
    );
  }
  checkLengths(event, where);
  const texts = [event.type, event.actor.type, event.actor.id, event.correlationId, event.body];
  if (![...texts, event.causationId ?? '', event.traceparent ?? ''].every(isStorable)) {
    throw new TypeError(`expected text without NUL and lone surrogates in ${where}, got some`);
  }
};

/**
 * What every adapter checks before it appends, so that no store meets an append that it cannot keep exactly.
 *
 * @throws EventTooLarge a body is over the limit
 * @throws EventIdReused an id stands in the append twice
 * @throws TypeError or RangeError for what a caller of ours must never send
 */
export const checkAppend = (stream: string, expectedVersion: number, events: readonly NewEvent[]): void => {
  if (stream === '' || !isStorable(stream))
    throw new TypeError('expected the name of a stream, got an unusable text');
  if (stream.length > limits.indexedText)
    throw new RangeError(
      `expected the name of a stream of at most ${limits.indexedText} characters, got ${stream.length}`,
    );
  if (!isVersion(expectedVersion, 0)) {
    throw new RangeError(`expected a version from 0 on of stream ${stream}, got ${expectedVersion}`);
  }
  if (events.length === 0) throw new RangeError(`expected at least one event for stream ${stream}, got none`);
  for (const event of events) checkEvent(event);
  const ids = events.map(({ id }) => id);
  const repeated = ids.filter((id, index) => ids.indexOf(id) !== index);
  if (repeated.length > 0) throw new EventIdReused(stream, [...new Set(repeated)]);
};
