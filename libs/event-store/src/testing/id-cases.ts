import { expect, it } from '@jest/globals';
import { EventIdReused, noStream } from '../event-store.ts';
import { newEvent, newEvents, refusal, unique, type Bench } from './new-event.ts';

/** The same append again is harmless, whatever has happened since. */
export const registerRepeatCases = ({ store, other }: Bench): void => {
  it('answers a repeated append with what was stored, although its version is stale', async () => {
    const stream = unique('job');
    const events = newEvents(2);
    const first = await store().append(stream, noStream, events);
    await store().append(stream, 2, newEvents(3));
    const again = await other().append(stream, noStream, events);
    expect(again).toEqual({ ...first, repeated: true });
    expect(await store().read(stream)).toHaveLength(5);
  });

  it('keeps the first envelope when a retry comes with another time and trace', async () => {
    const stream = unique('job');
    const event = newEvent();
    const first = await store().append(stream, noStream, [event]);
    const retried = { ...event, occurredAt: '2026-03-01T00:00:00.000Z', traceparent: '00-1-1-00' };
    expect(await store().append(stream, noStream, [retried])).toEqual({ ...first, repeated: true });
  });

  it('stores the same append once when it is called many times at once', async () => {
    const stream = unique('job');
    const events = newEvents(3);
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        (index % 2 ? store() : other()).append(stream, noStream, events),
      ),
    );
    expect(results.filter(({ repeated }) => !repeated)).toHaveLength(1);
    expect(new Set(results.map(({ position }) => position)).size).toBe(1);
    expect(await store().read(stream)).toHaveLength(3);
  });
};

/** An id stands for one fact for ever. */
export const registerReuseCases = ({ store }: Bench): void => {
  it.each([
    ['body', { body: '{"to":"FAILED"}' }],
    ['spacing of the body', { body: '{"to": "SUCCEEDED"}' }],
    ['type', { type: 'JobAssigned' }],
    ['version of the type', { version: 2 }],
  ])('refuses an id that is known with another %s', async (_, change) => {
    const stream = unique('job');
    const event = newEvent();
    await store().append(stream, noStream, [event]);
    for (const expected of [noStream, 1]) {
      const error = await refusal(store().append(stream, expected, [{ ...event, ...change }]));
      expect(error).toBeInstanceOf(EventIdReused);
      expect(String(error)).toContain(event.id);
    }
    expect(await store().read(stream)).toHaveLength(1);
  });

  it('refuses an id that is known in another stream', async () => {
    const event = newEvent();
    await store().append(unique('job'), noStream, [event]);
    const stream = unique('job');
    expect(await refusal(store().append(stream, noStream, [event]))).toBeInstanceOf(EventIdReused);
    expect(await store().read(stream)).toEqual([]);
  });
};

/** An append is written as a whole or not at all, and an id goes to one append. */
export const registerPartialIdCases = ({ store, other }: Bench): void => {
  it('writes nothing of an append of which only some ids are known, at either end', async () => {
    const stream = unique('job');
    const known = newEvent();
    await store().append(stream, noStream, [known]);
    for (const events of [
      [newEvent(), known],
      [known, newEvent()],
    ]) {
      for (const expected of [noStream, 1]) {
        expect(await refusal(store().append(stream, expected, events))).toBeInstanceOf(EventIdReused);
      }
    }
    expect(await store().read(stream)).toHaveLength(1);
  });

  it('writes nothing of an append whose second id is in use elsewhere', async () => {
    const used = newEvent();
    await store().append(unique('job'), noStream, [used]);
    const stream = unique('job');
    const error = await refusal(store().append(stream, noStream, [newEvent(), { ...used, body: '{}' }]));
    expect(error).toBeInstanceOf(EventIdReused);
    expect(await store().read(stream)).toEqual([]);
  });

  it('refuses an id that stands twice in one append', async () => {
    const stream = unique('job');
    const event = newEvent();
    expect(await refusal(store().append(stream, noStream, [event, event]))).toBeInstanceOf(EventIdReused);
    expect(await store().read(stream)).toEqual([]);
  });

  it('gives an id to one of two streams that ask for it at the same time', async () => {
    for (let round = 0; round < 10; round += 1) {
      const event = newEvent();
      const streams = [unique('job'), unique('job'), unique('job')];
      const errors = await Promise.all(
        streams.map((stream, index) =>
          refusal((index === 1 ? other() : store()).append(stream, noStream, [event])),
        ),
      );
      expect(errors.filter((error) => error === undefined)).toHaveLength(1);
      expect(errors.filter((error) => error instanceof EventIdReused)).toHaveLength(2);
      const found = await Promise.all(streams.map((stream) => store().read(stream)));
      expect(found.flat()).toHaveLength(1);
    }
  });
};
