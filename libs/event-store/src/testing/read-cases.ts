import { formatPosition, positionStart } from '@signalbox/contracts';
import { expect, it } from '@jest/globals';
import { noStream } from '../event-store.ts';
import { newEvents, unique, type Bench } from './new-event.ts';

export const registerReadCases = ({ store }: Bench): void => {
  it('reads a stream from a version on, at most so many', async () => {
    const stream = unique('job');
    const { events } = await store().append(stream, noStream, newEvents(6));
    expect(await store().read(stream)).toEqual(events);
    expect(await store().read(stream, 3)).toEqual(events.slice(2));
    expect(await store().read(stream, 3, 2)).toEqual(events.slice(2, 4));
    expect(await store().read(stream, 6, 10)).toEqual(events.slice(5));
    expect(await store().read(stream, 7)).toEqual([]);
    expect(await store().read(unique('job'))).toEqual([]);
  });

  it('answers each of many reads at once with its own stream', async () => {
    const streams = Array.from({ length: 40 }, (_, index) => ({
      stream: unique('job'),
      length: (index % 4) + 1,
    }));
    await Promise.all(
      streams.map(({ stream, length }) => store().append(stream, noStream, newEvents(length))),
    );
    const found = await Promise.all([
      ...streams.map(({ stream }) => store().read(stream)),
      store().read(unique('job')),
    ]);
    expect(found.pop()).toEqual([]);
    for (const [index, { stream, length }] of streams.entries()) {
      expect(found[index]?.map((event) => event.stream)).toEqual(Array.from({ length }, () => stream));
    }
  });

  it('does not take one stream for another that begins alike', async () => {
    const stream = unique('job');
    await store().append(`${stream}-1`, noStream, newEvents(1));
    await store().append(`${stream}_1`, noStream, newEvents(1));
    await store().append(stream.toUpperCase(), noStream, newEvents(1));
    expect(await store().read(stream)).toEqual([]);
  });

  it('reads all streams after a position, at most so many', async () => {
    const { position, events } = await store().append(unique('job'), noStream, newEvents(4));
    expect(await store().readAll(events[0]?.position ?? '', 2)).toEqual(events.slice(1, 3));
    expect(await store().readAll(position, 10)).toEqual([]);
    expect(await store().head()).toBe(position);
  });
};

export const registerStoreCases = ({ store, other, open }: Bench): void => {
  it('begins empty, with its head, its published position and what was before any time at the start', async () => {
    const fresh = await open();
    try {
      expect(await fresh.store.head()).toBe(positionStart);
      expect(await fresh.store.published()).toBe(positionStart);
      expect(await fresh.store.readAll(positionStart, 10)).toEqual([]);
      expect(await fresh.store.positionBefore('2999-01-01T00:00:00.000Z')).toBe(positionStart);
      const { position } = await fresh.store.append(unique('job'), noStream, newEvents(1));
      expect(position > positionStart).toBe(true);
    } finally {
      await fresh.close();
    }
  });

  it('keeps its identity when it is opened again, and shares it with no other store', async () => {
    expect(store().storeId).not.toBe('');
    expect(other().storeId).toBe(store().storeId);
    const fresh = await open();
    expect(fresh.store.storeId).not.toBe(store().storeId);
    await fresh.close();
  });

  it('moves the published position forward only, also when told out of order', async () => {
    const before = Number(await store().published());
    const steps = [5, 3, 9, 1, 9, 7].map((step) => formatPosition(before + step));
    await Promise.all(steps.map((position, index) => (index % 2 ? store() : other()).setPublished(position)));
    expect(await other().published()).toBe(formatPosition(before + 9));
    await store().setPublished(formatPosition(before + 2));
    expect(await store().published()).toBe(formatPosition(before + 9));
  });
};
