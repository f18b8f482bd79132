import { decodeEvent } from '@signalbox/contracts';
import { ack, type Batch, type Consumer } from '@signalbox/event-store';
import type pg from 'pg';
import { openPool } from './pool.ts';
import { openReaderState, type PostgresReaderState } from './reader-state.ts';

/**
 * Hands the parked events of one stream to a reader's consumers once more, each with its hooks, in one transaction. The
 * running reader is held back meanwhile and notices within seconds. Signals after the commit are left out: what they
 * would start is found by the service's own loops.
 *
 * @throws whatever a handler throws, and UndecodableEvent; everything stays parked then
 */
export const redriveParked = (
  state: PostgresReaderState,
  consumers: readonly Consumer<pg.PoolClient>[],
  stream: string,
): Promise<{ readonly handled: number; readonly left: number }> =>
  state.redrive(stream, async (recorded, tx) => {
    const event = decodeEvent(recorded);
    const hooks: (() => Promise<void>)[] = [];
    const batch: Batch<pg.PoolClient> = {
      tx,
      beforeCommit: (_key, work) => hooks.push(work),
      afterCommit: () => undefined,
    };
    for (const { type, handler } of consumers) {
      if (type !== event.type && type !== '*') continue;
      const verdict = await handler(event, batch);
      if (verdict.kind !== 'ack') return verdict;
    }
    for (const work of hooks) await work();
    return ack;
  });

/** A program beside the running service: opens a reader's state on a pool of its own for as long as `work` takes. */
export const withReaderState = async <T>(
  reader: { readonly url: string; readonly schema: string; readonly name: string },
  work: (state: PostgresReaderState) => Promise<T>,
): Promise<T> => {
  const { url, schema, name } = reader;
  const pool = openPool({ url, max: 2, applicationName: `signalbox ${name} maintenance` });
  try {
    return await work(await openReaderState({ pool, schema, name }));
  } finally {
    await pool.end();
  }
};
