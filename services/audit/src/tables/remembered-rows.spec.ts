import { describe, expect, it } from '@jest/globals';
import { type Event, decodeEvent, positionStart } from '@signalbox/contracts';
import { newEvent } from '@signalbox/testkit';
import { RememberedRows } from './remembered-rows.ts';

interface Row {
  readonly key: string;
  readonly ended: boolean;
}

const later: Event = decodeEvent({
  ...newEvent(),
  stream: 'job-a',
  streamVersion: 2,
  position: positionStart,
  recordedAt: new Date().toISOString(),
});

/** A table in a map, and rows remembered before it. */
const setUp = (most: number) => {
  const table = new Map<string, Row>();
  const rows = new RememberedRows<Row>({
    keyOf: ({ key }) => key,
    isEnded: ({ ended }) => ended,
    begins: ({ type }) => type === 'JobCreated',
    load: (keys) => Promise.resolve(new Map([...table].filter(([key]) => keys.includes(key)))),
    save: (saved) => {
      for (const row of saved) table.set(row.key, row);
      return Promise.resolve();
    },
    most,
  });
  const put = async (changed: readonly Row[]): Promise<void> => {
    await rows.saveEnded(changed);
    await rows.remember(changed);
  };
  const load = (key: string) => rows.load(new Map([[key, later]]));
  return { table, rows, put, load };
};

describe('rows that are remembered', () => {
  it('reach the table when they have ended or at the flush, and not before', async () => {
    const { table, rows, put } = setUp(10);
    await put([
      { key: 'a', ended: false },
      { key: 'b', ended: true },
    ]);
    expect([...table.keys()]).toEqual(['b']);
    await rows.flush();
    expect([...table.keys()]).toEqual(['b', 'a']);
  });

  it('are found as they are now, wherever they are', async () => {
    const { put, load } = setUp(10);
    await put([
      { key: 'a', ended: false },
      { key: 'b', ended: true },
    ]);
    expect([...(await load('a')).values()]).toEqual([{ key: 'a', ended: false }]);
    expect([...(await load('b')).values()]).toEqual([{ key: 'b', ended: true }]);
    await put([{ key: 'a', ended: true }]);
    expect([...(await load('a')).values()]).toEqual([{ key: 'a', ended: true }]);
    expect((await load('c')).size).toBe(0);
  });

  it('are all written when they become too many', async () => {
    const { table, put, load } = setUp(1);
    await put([{ key: 'a', ended: false }]);
    expect(table.size).toBe(0);
    await put([{ key: 'b', ended: false }]);
    expect(table.size).toBe(2);
    expect([...(await load('a')).values()]).toEqual([{ key: 'a', ended: false }]);
  });
});
