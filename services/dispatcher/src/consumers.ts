import { type Consumer, gather } from '@signalbox/event-store';
import type { PoolClient } from 'pg';
import { applyBatch } from './batch.ts';
import type { QueueRow } from './row.ts';

/**
 * What the dispatcher consumes: all that moves an assignment through its queue.
 *
 * @param issue told, after the commit, of the rows whose intent is to be carried out
 */
export const consumers = (
  leaseMs: number,
  issue: (rows: readonly QueueRow[]) => void,
): readonly Consumer<PoolClient>[] => {
  const queue = gather<PoolClient>('queue', async (events, batch) => {
    const rows = await applyBatch(batch.tx, events, leaseMs);
    batch.afterCommit('issue', () => issue(rows));
  });
  return [
    { type: 'JobCreated', handler: queue },
    { type: 'JobAssigned', handler: queue },
    { type: 'JobStatusChanged', handler: queue },
    { type: 'JobCancelRequested', handler: queue },
    { type: 'LeaseExpired', handler: queue },
    { type: 'LeaseResumed', handler: queue },
    { type: 'DeviceRevoked', handler: queue },
  ];
};
