import { limits, positionPattern } from '@signalbox/contracts';
import { expect, it } from '@jest/globals';
import { EventTooLarge } from '../appendable.ts';
import { EventIdReused, VersionConflict, noStream } from '../event-store.ts';
import { newEvent, newEvents, refusal, unique, type Bench } from './new-event.ts';

const hardText = JSON.stringify({
  text: 'Grüße, 信号, \u{1F682}, e\u0301, "quoted", back\\slash, tab\t, \u0000, {a,b}, $1, NULL, \\N, \u2028',
  number: 1.0e21,
});
/** Spacing, key order, number form and escapes that a parsed and re-written document would lose. */
const exactBody = `{ "b" : 1.50,"a":"\\u00fc\\/",  "n":10000000000000000001,"hard":${hardText} }`;

/** What is stored is what was given, and comes back the same way. */
export const registerContentCases = ({ store }: Bench): void => {
  it('gives back every byte and every field of an event', async () => {
    const stream = unique('device-Ünïcode\'"');
    const event = newEvent({
      body: exactBody,
      occurredAt: '2026-02-28T23:59:59.999Z',
      actor: { type: 'agent', id: 'agent_7' },
      correlationId: 'corr-1',
      causationId: 'cause-1',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    });
    const result = await store().append(stream, noStream, [event]);
    expect(result).toMatchObject({ version: 1, repeated: false });
    expect(result.events).toEqual([
      { ...event, stream, streamVersion: 1, position: result.position, recordedAt: expect.any(String) },
    ]);
    expect(await store().read(stream)).toEqual(result.events);
    expect(result.position).toMatch(positionPattern);
  });

  it('leaves out a trace that was not given', async () => {
    const stream = unique('job');
    await store().append(stream, noStream, [newEvent()]);
    expect(Object.keys((await store().read(stream))[0] ?? {})).not.toContain('traceparent');
  });

  it('takes an event of exactly the limit and refuses one byte more, counted in bytes', async () => {
    const stream = unique('job');
    const body = `"${'ü'.repeat(limits.eventBytes / 2 - 1)}"`;
    expect((await store().append(stream, noStream, [newEvent({ body })])).version).toBe(1);
    const error = await refusal(store().append(stream, 1, [newEvent({ body: `${body} ` })]));
    expect(error).toBeInstanceOf(EventTooLarge);
    expect(error).toMatchObject({ sizeBytes: limits.eventBytes + 1 });
    expect(await store().read(stream)).toHaveLength(1);
  });

  it.each([
    ['no events', noStream, []],
    ['a negative version', -1, [newEvent()]],
    ['an id that is no UUID', noStream, [newEvent({ id: 'event-1' })]],
    ['an instant without a zone', noStream, [newEvent({ occurredAt: '2026-01-31T12:00:00' })]],
    ['a lone surrogate', noStream, [newEvent({ body: '"\ud83d"' })]],
  ])('refuses %s without writing', async (_, expected, events) => {
    const stream = unique('job');
    expect(await refusal(store().append(stream, expected, events))).toBeInstanceOf(Error);
    expect(await store().read(stream)).toEqual([]);
  });
};

/** The expected version decides between writers. */
export const registerVersionCases = ({ store, other }: Bench): void => {
  it.each(['type', 'correlationId', 'causationId', 'traceparent'] as const)(
    'takes a %s of exactly the limit and refuses one more: it is indexed',
    async (field) => {
      const most = 'é'.repeat(limits.indexedText);
      await store().append(unique('job'), noStream, [newEvent({ [field]: most })]);
      const refused = await refusal(
        store().append(unique('job'), noStream, [newEvent({ [field]: `${most}x` })]),
      );
      expect(refused).toBeInstanceOf(RangeError);
      expect(String(refused)).toContain(`${field} of at most ${limits.indexedText} characters`);
    },
  );

  it('refuses the name of a stream that is too long', async () => {
    const stream = unique('job').padEnd(limits.indexedText + 1, 'x');
    expect(await refusal(store().append(stream, noStream, newEvents(1)))).toBeInstanceOf(RangeError);
  });

  it('tells the actual version when the expected one is wrong', async () => {
    const stream = unique('job');
    await store().append(stream, noStream, newEvents(3));
    for (const expected of [noStream, 2, 4]) {
      const error = await refusal(store().append(stream, expected, [newEvent()]));
      expect(error).toBeInstanceOf(VersionConflict);
      expect(error).toMatchObject({ stream, expectedVersion: expected, actualVersion: 3 });
    }
    const unknown = await refusal(store().append(unique('job'), 1, [newEvent()]));
    expect(unknown).toMatchObject({ name: 'VersionConflict', expectedVersion: 1, actualVersion: 0 });
    expect(await store().read(stream)).toHaveLength(3);
  });

  it('lets exactly one of many writers win each version of a stream', async () => {
    const stream = unique('job');
    for (let version = 0; version < 5; version += 1) {
      const tries = Array.from({ length: 20 }, (_, index) =>
        refusal((index % 2 ? store() : other()).append(stream, version, newEvents(2))),
      );
      const errors = await Promise.all(tries);
      const refused = errors.filter((error) => error instanceof VersionConflict);
      expect(errors.filter((error) => error === undefined)).toHaveLength(version % 2 === 0 ? 1 : 0);
      expect(refused).toHaveLength(version % 2 === 0 ? 19 : 20);
    }
    expect((await store().read(stream)).map(({ streamVersion }) => streamVersion)).toEqual([
      1, 2, 3, 4, 5, 6,
    ]);
  });

  it('writes several events of a stream together, next to each other', async () => {
    const stream = unique('job');
    const [result] = await Promise.all([
      store().append(stream, noStream, newEvents(5)),
      ...Array.from({ length: 20 }, () => other().append(unique('job'), noStream, newEvents(2))),
    ]);
    expect(result.events.map(({ streamVersion }) => streamVersion)).toEqual([1, 2, 3, 4, 5]);
    const between = await store().readAll(result.events[0]?.position ?? '', 4);
    expect(between).toEqual(result.events.slice(1));
    expect(between.at(-1)?.position).toBe(result.position);
  });

  it('refuses one append beside accepted ones that were called at the same time', async () => {
    const taken = unique('job');
    const used = newEvent();
    await store().append(taken, noStream, [used]);
    const fresh = Array.from({ length: 20 }, () => unique('job'));
    const [conflict, reused, ...accepted] = await Promise.all([
      refusal(store().append(taken, noStream, [newEvent()])),
      refusal(store().append(unique('job'), noStream, [newEvent(), { ...used, body: '{}' }])),
      ...fresh.map((stream) => store().append(stream, noStream, newEvents(2))),
    ]);
    expect(conflict).toBeInstanceOf(VersionConflict);
    expect(reused).toBeInstanceOf(EventIdReused);
    expect(accepted.map(({ version }) => version)).toEqual(fresh.map(() => 2));
    for (const stream of fresh) expect(await store().read(stream)).toHaveLength(2);
  });
};
