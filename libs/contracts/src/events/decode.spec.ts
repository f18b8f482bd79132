import { expect, it } from '@jest/globals';
import type { RecordedEvent } from '../envelope.ts';
import { UndecodableEvent, decodeEvent, eventOf } from './catalogue.ts';

const recorded = (changes: Partial<RecordedEvent> = {}): RecordedEvent => ({
  id: '0b1f7a52-6d5e-4c0a-9d3f-2f6f1f3a9c11',
  type: 'DeviceRevoked',
  version: 1,
  occurredAt: '2026-01-31T12:00:00.000Z',
  recordedAt: '2026-01-31T12:00:00.000001Z',
  actor: { type: 'service', id: 'tester' },
  correlationId: 'pi-1',
  causationId: null,
  stream: 'device-pi-1',
  streamVersion: 1,
  position: '0000000000000001',
  body: '{"deviceId":"pi-1","agentId":"pi-1","reason":null}',
  ...changes,
});

it('answers the same for an event that is met again, with the envelope of that time', () => {
  const first = decodeEvent(recorded());
  const again = decodeEvent(recorded({ traceparent: 'x' }));
  expect(again).toEqual({ ...first, traceparent: 'x' });
  expect('body' in first).toBe(false);
});

it('never takes what it knows of an id for another body, type or version', () => {
  decodeEvent(recorded());
  const body = '{"deviceId":"pi-2","agentId":"pi-2","reason":"lost"}';
  expect(decodeEvent(recorded({ body })).data).toMatchObject({ deviceId: 'pi-2', reason: 'lost' });
  expect(() => decodeEvent(recorded({ version: 9 }))).toThrow(UndecodableEvent);
  expect(() => decodeEvent(recorded({ type: 'JobCreated' }))).toThrow(UndecodableEvent);
});

it('still knows an event after thousands of others, and decodes those that it has forgotten', () => {
  for (let index = 0; index < 5_000; index += 1) {
    const body = `{"deviceId":"pi-${index}","agentId":"pi-${index}","reason":null}`;
    decodeEvent(recorded({ id: `0b1f7a52-6d5e-4c0a-9d3f-${String(index).padStart(12, '0')}`, body }));
  }
  expect(decodeEvent(recorded()).data).toMatchObject({ deviceId: 'pi-1' });
});

it('gives the event of a fact as it would be read', () => {
  const read = decodeEvent(recorded());
  if (read.type !== 'DeviceRevoked') throw new Error(`expected DeviceRevoked, got ${read.type}`);
  expect(eventOf({ type: 'DeviceRevoked', data: read.data }, recorded())).toEqual(read);
});
