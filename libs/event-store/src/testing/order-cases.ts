import { positionStart, type Position, type RecordedEvent } from '@signalbox/contracts';
import { expect, it } from '@jest/globals';
import { type EventStore, noStream } from '../event-store.ts';
import { newEvents, readToEnd, unique, type Bench } from './new-event.ts';

/** Appends to streams of its own, one after the other, 1 to 3 events each time; answers the positions in order. */
const write = async (store: EventStore, appends: number): Promise<readonly Position[]> => {
  const stream = unique('job');
  const positions: Position[] = [];
  let version = noStream;
  for (let index = 0; index < appends; index += 1) {
    const result = await store.append(stream, version, newEvents((index % 3) + 1));
    positions.push(...result.events.map(({ position }) => position));
    version = result.version;
  }
  return positions;
};

/** Reads on from a position until `isDone` and nothing is left; keeps the order in which events were met. */
const follow = async (store: EventStore, from: Position, limit: number, isDone: () => boolean) => {
  const met: RecordedEvent[] = [];
  let position = from;
  for (;;) {
    const done = isDone();
    const events = await store.readAll(position, limit);
    met.push(...events);
    position = events.at(-1)?.position ?? position;
    if (done && events.length === 0) return met;
    await new Promise((resolve) => setImmediate(resolve));
  }
};

const isRising = (values: readonly string[]): boolean =>
  values.every((value, index) => index === 0 || (values[index - 1] ?? '') < value);

/** Positions are in commit order: a reader that has seen one never meets a smaller new one. */
export const registerOrderCases = ({ store, other }: Bench): void => {
  it('shows every event once and in order to readers that follow concurrent writers', async () => {
    const from = await store().head();
    let writing = true;
    const writers = Array.from({ length: 24 }, (_, index) => write(index % 2 ? store() : other(), 12));
    const readers = [1, 7, 1000].map((limit, index) =>
      follow(index % 2 ? other() : store(), from, limit, () => !writing),
    );
    const written = (await Promise.all(writers).finally(() => (writing = false))).flat();
    expect(new Set(written).size).toBe(24 * 24);
    for (const met of await Promise.all(readers)) {
      expect(met.map(({ position }) => position)).toEqual(written.toSorted());
    }
  });

  it('answers an append with a position that every later append exceeds', async () => {
    const first = await write(store(), 5);
    const second = await write(other(), 5);
    expect(isRising([...first, ...second])).toBe(true);
  });

  it('shows an append to every reader as soon as it is acknowledged', async () => {
    for (let round = 0; round < 20; round += 1) {
      const stream = unique('job');
      const { position, events } = await store().append(stream, noStream, newEvents(1));
      expect(await other().read(stream)).toEqual(events);
      expect((await other().head()) >= position).toBe(true);
    }
  });

  it('records strictly later instants at later positions', async () => {
    const from = await store().head();
    await Promise.all(Array.from({ length: 10 }, (_, index) => write(index % 2 ? store() : other(), 5)));
    const recorded = (await readToEnd(store(), from)).map(({ recordedAt }) => recordedAt);
    expect(recorded.length).toBeGreaterThan(50);
    expect(recorded.every((instant) => /\.\d{6}Z$/.test(instant))).toBe(true);
    expect(isRising(recorded)).toBe(true);
  });

  it('finds the last position recorded before an instant', async () => {
    await Promise.all(Array.from({ length: 5 }, () => write(store(), 5)));
    const events = await readToEnd(store(), positionStart);
    for (const [index, event] of events.entries()) {
      if (index % 7 !== 0 && index < events.length - 3) continue;
      expect(await store().positionBefore(event.recordedAt)).toBe(
        events[index - 1]?.position ?? positionStart,
      );
    }
    expect(await store().positionBefore('2000-01-01T00:00:00.000Z')).toBe(positionStart);
    expect(await store().positionBefore('2999-01-01T00:00:00.000Z')).toBe(await store().head());
  });
};
