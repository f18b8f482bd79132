/** The audit rows that a program around a queue writes by itself: created, assigned, started, ended. */
import type { AuditRow } from './audit-table.ts';
import { insertAuditRows } from './audit-table.ts';
import { createBatcher, openPool } from '@signalbox/postgres';
import { assignedOf, claimedOf, createdOf, endedOf } from './fill.ts';

export interface AuditWriter {
  /** Resolves when these rows of a job, named by their steps from 1 to 4, are on the disk. */
  write(jobId: string, ...steps: readonly number[]): Promise<void>;
  close(): Promise<void>;
}

const target = 'device-1';

const rowOf = (jobId: string, step: number): AuditRow => {
  const [type, data] = (
    [
      ['JobCreated', createdOf],
      ['JobAssigned', assignedOf],
      ['JobStatusChanged', claimedOf],
      ['JobStatusChanged', endedOf],
    ] as const
  )[step - 1] ?? ['JobStatusChanged', endedOf];
  return { jobId, type, step, payload: JSON.stringify(data(jobId, target)) };
};

const mostRows = 512;

/** One statement at a time; what comes meanwhile forms the next one. The same that our own store does. */
export const openAuditWriter = (databaseUrl: string | undefined): AuditWriter => {
  if (databaseUrl === undefined) return { write: async () => undefined, close: async () => undefined };
  const pool = openPool({ url: databaseUrl, applicationName: 'bench audit', max: 1 });
  const batcher = createBatcher<AuditRow, undefined>({
    maxBatch: mostRows,
    run: async (rows) => {
      await insertAuditRows(pool, rows);
      return rows.map(() => undefined);
    },
  });
  return {
    write: async (jobId, ...steps) => {
      await Promise.all(steps.map((step) => batcher.add(rowOf(jobId, step))));
    },
    close: async () => {
      await batcher.idle();
      await pool.end();
    },
  };
};
