import type { MsgHdrs } from '@nats-io/transport-node';
import {
  Actor,
  positionPattern,
  subjectIdOf,
  subjects,
  type Position,
  type RecordedEvent,
} from '@signalbox/contracts';
import { decodeValue, encodeValue, HeaderBlock, headerFields, type HeaderFields } from './header-block.ts';

/** Thrown by `decodeMessage`: the message is not an event as our relay writes it. */
export class MalformedMessage extends Error {
  readonly subject: string;
  constructor(subject: string, why: string, cause?: unknown) {
    super(`expected an event of the relay on ${subject}, got a message ${why}`, { cause });
    this.name = 'MalformedMessage';
    this.subject = subject;
  }
}

export interface EncodedEvent {
  readonly subject: string;
  /** Lines `name: value`, each ended by CR LF; more may be appended. */
  readonly fields: string;
  readonly headers: HeaderBlock;
  readonly body: Uint8Array;
}

/** What an event's message says besides the event. */
export interface DecodedMessage {
  readonly event: RecordedEvent;
  /** Position published before this one: when a reader is not there yet, it has a gap. */
  readonly previous: Position;
  readonly storeId: string;
}

const sourcePrefix = 'urn:signalbox:';

/**
 * CloudEvents 1.0, binary mode: attributes in the headers, the body's exact bytes as data, `Nats-Msg-Id` = event id.
 *
 * @param previous position published before this event
 */
export const encodeEvent = (event: RecordedEvent, previous: Position, storeId: string): EncodedEvent => {
  const fields = encodeFields(event, previous, storeId);
  return {
    subject: subjects.event(event.type, subjectIdOf(event)),
    fields,
    headers: new HeaderBlock(fields),
    body: Buffer.from(event.body, 'utf8'),
  };
};

const encodeFields = (event: RecordedEvent, previous: Position, storeId: string): string =>
  `Nats-Msg-Id: ${event.id}\r\n` +
  'ce-specversion: 1.0\r\n' +
  `ce-id: ${event.id}\r\n` +
  `ce-type: ${encodeValue(event.type)}\r\n` +
  `ce-source: ${sourcePrefix}${encodeValue(storeId)}\r\n` +
  `ce-time: ${event.occurredAt}\r\n` +
  `ce-subject: ${encodeValue(event.stream)}\r\n` +
  'content-type: application/json\r\n' +
  `ce-version: ${event.version}\r\n` +
  `ce-recordedat: ${event.recordedAt}\r\n` +
  `ce-actortype: ${event.actor.type}\r\n` +
  `ce-actorid: ${encodeValue(event.actor.id)}\r\n` +
  `ce-correlationid: ${encodeValue(event.correlationId)}\r\n` +
  (event.causationId === null ? '' : `ce-causationid: ${encodeValue(event.causationId)}\r\n`) +
  `ce-streamversion: ${event.streamVersion}\r\n` +
  `ce-position: ${event.position}\r\n` +
  `ce-previous: ${previous}\r\n` +
  (event.traceparent === undefined ? '' : `traceparent: ${encodeValue(event.traceparent)}\r\n`);

/** A received message or one asked of the stream. */
export interface IncomingMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers?: MsgHdrs | undefined;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const actorTypes = new Set<string>(Actor.shape.type.options);
const isActorType = (text: string): text is Actor['type'] => actorTypes.has(text);

/**
 * The event in a message, its body undecoded.
 *
 * @throws MalformedMessage it was not written by a relay of Signalbox
 */
export const decodeMessage = (message: IncomingMessage): DecodedMessage => {
  const fields = headerFields(message);
  try {
    return readEvent(fields, utf8.decode(message.data));
  } catch (error) {
    throw new MalformedMessage(
      message.subject,
      error instanceof Error ? error.message : String(error),
      error,
    );
  }
};

const readEvent = (fields: HeaderFields, body: string): DecodedMessage => {
  const source = text(fields, 'ce-source');
  if (!source.startsWith(sourcePrefix)) throw new Error('with another ce-source');
  const actorType = text(fields, 'ce-actortype');
  if (!isActorType(actorType)) throw new Error('with an unknown ce-actortype');
  const traceparent = fields.get('traceparent');
  const causationId = fields.get('ce-causationid');
  return {
    event: {
      id: text(fields, 'ce-id'),
      type: text(fields, 'ce-type'),
      version: count(fields, 'ce-version'),
      occurredAt: text(fields, 'ce-time'),
      recordedAt: text(fields, 'ce-recordedat'),
      actor: { type: actorType, id: text(fields, 'ce-actorid') },
      correlationId: text(fields, 'ce-correlationid'),
      causationId: causationId === undefined ? null : decodeValue(causationId),
      ...(traceparent === undefined ? {} : { traceparent: decodeValue(traceparent) }),
      body,
      stream: text(fields, 'ce-subject'),
      streamVersion: count(fields, 'ce-streamversion'),
      position: position(fields, 'ce-position'),
    },
    previous: position(fields, 'ce-previous'),
    storeId: decodeValue(source.slice(sourcePrefix.length)),
  };
};

const text = (fields: HeaderFields, name: string): string => {
  const value = fields.get(name);
  if (value === undefined || value === '') throw new Error(`without ${name}`);
  return decodeValue(value);
};

const count = (fields: HeaderFields, name: string): number => {
  const value = Number(fields.get(name));
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`with a ${name} that counts nothing`);
  return value;
};

const position = (fields: HeaderFields, name: string): Position => {
  const value = fields.get(name) ?? '';
  if (!positionPattern.test(value)) throw new Error(`with a ${name} that is no position`);
  return value;
};
