import { describe, expect, it } from '@jest/globals';
import type { RecordedEvent } from '@signalbox/contracts';
import { headers, MsgHdrsImpl } from '@nats-io/transport-node';
import { decodeValue, encodeValue, HeaderBlock, parseFields } from './header-block.ts';
import { decodeMessage, encodeEvent, MalformedMessage } from './message.ts';

const event: RecordedEvent = {
  id: '0196e8f3-7c1e-7c54-b1a1-1b2c3d4e5f60',
  type: 'JobCancelRequested',
  version: 1,
  occurredAt: '2026-01-31T12:00:00.000Z',
  recordedAt: '2026-01-31T12:00:00.001234Z',
  actor: { type: 'principal', id: 'ada' },
  correlationId: '6f8a4c0e-3b0a-4c1f-9a52-7d1c0f4f8b11',
  causationId: null,
  body: '{"reason":"zu spät – „nein“","n":1.0}',
  stream: 'job-6f8a4c0e-3b0a-4c1f-9a52-7d1c0f4f8b11',
  streamVersion: 2,
  position: '0000000000000042',
};

const deliver = (given: RecordedEvent) => {
  const { subject, headers: block, body } = encodeEvent(given, '0000000000000041', 'store-1');
  return { subject, data: body, headers: MsgHdrsImpl.decode(block.encode()) };
};

describe('an event as a message', () => {
  it('comes back as it was, with the position before it and the store', () => {
    expect(decodeMessage(deliver(event))).toEqual({
      event,
      previous: '0000000000000041',
      storeId: 'store-1',
    });
  });

  it('keeps its optional parts', () => {
    const full = {
      ...event,
      causationId: 'cmd-1',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    };
    expect(decodeMessage(deliver(full)).event).toEqual(full);
  });

  it('keeps every character of free text, and no text can forge a header', () => {
    const nasty = { ...event, correlationId: 'a b"%\r\nce-type: Other\r\n\r\nü€😀', causationId: '100%' };
    const message = deliver(nasty);
    expect(decodeMessage(message).event).toEqual(nasty);
    expect(message.headers.values('ce-type')).toEqual(['JobCancelRequested']);
  });

  it('has the names and values of CloudEvents 1.0 in binary mode', () => {
    const { subject, data, headers: block } = deliver(event);
    expect(subject).toBe(`events.JobCancelRequested.${event.correlationId}`);
    expect(new TextDecoder().decode(data)).toBe(event.body);
    expect(Object.fromEntries(block.keys().map((name) => [name, block.get(name)]))).toEqual({
      'Nats-Msg-Id': event.id,
      'ce-specversion': '1.0',
      'ce-id': event.id,
      'ce-type': 'JobCancelRequested',
      'ce-source': 'urn:signalbox:store-1',
      'ce-time': event.occurredAt,
      'ce-subject': event.stream,
      'content-type': 'application/json',
      'ce-version': '1',
      'ce-recordedat': event.recordedAt,
      'ce-actortype': 'principal',
      'ce-actorid': 'ada',
      'ce-correlationid': event.correlationId,
      'ce-streamversion': '2',
      'ce-position': '0000000000000042',
      'ce-previous': '0000000000000041',
    });
  });
});

describe('a message that no relay wrote', () => {
  const change = (name: string, value: string | undefined) => {
    const message = deliver(event);
    if (value === undefined) message.headers.delete(name);
    else message.headers.set(name, value);
    return message;
  };

  it.each([
    ['ce-source', 'urn:other:1', 'another ce-source'],
    ['ce-id', undefined, 'without ce-id'],
    ['ce-position', '42', 'ce-position that is no position'],
    ['ce-previous', undefined, 'ce-previous that is no position'],
    ['ce-streamversion', '0', 'ce-streamversion that counts nothing'],
    ['ce-version', 'one', 'ce-version that counts nothing'],
    ['ce-actortype', 'robot', 'unknown ce-actortype'],
    ['ce-correlationid', '%E0%A4%A', 'malformed'],
  ])('is refused: %s %s', (name, value, why) => {
    expect(() => decodeMessage(change(name, value))).toThrow(MalformedMessage);
    expect(() => decodeMessage(change(name, value))).toThrow(why);
  });

  it('is refused without headers and with a body that is no UTF-8', () => {
    expect(() => decodeMessage({ subject: 'events.x.y', data: new Uint8Array() })).toThrow(MalformedMessage);
    expect(() => decodeMessage({ ...deliver(event), data: Uint8Array.of(0xff) })).toThrow(MalformedMessage);
  });
});

describe('a header block', () => {
  it('is read as the client reads it', () => {
    const written = headers();
    written.append('One', 'first');
    written.append('two', ' b: c ');
    written.append('One', 'second');
    const block = MsgHdrsImpl.prototype.encode.call(written);
    expect([...parseFields(block)]).toEqual([
      ['one', 'first'],
      ['two', 'b: c'],
    ]);
    expect(MsgHdrsImpl.decode(new HeaderBlock('a: 1\r\nb: 2\r\n').encode()).toRecord()).toEqual({
      a: ['1'],
      b: ['2'],
    });
  });

  it('percent-encodes what CloudEvents wants encoded, and nothing else', () => {
    expect(encodeValue('job-1_a.b:c/d~')).toBe('job-1_a.b:c/d~');
    expect(encodeValue('a "ü"%')).toBe('a%20%22%C3%BC%22%25');
    expect(decodeValue(encodeValue('\u0000\n😀'))).toBe('\u0000\n😀');
  });
});
