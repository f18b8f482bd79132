import { DomainError, type Position } from '@signalbox/contracts';
import { type Answer, answer } from '@signalbox/service-kit';
import type { DataSource } from 'typeorm';
import type { PositionWatch } from './position-watch.ts';
import { findJob, listAssignments, listAudit, listJobs } from './tables/queries.ts';

/** Longest wait until the tables show what the caller has written. */
const waitMs = 2_000;

/** The calls that the audit service answers, in any replica. */
export const calls = (source: DataSource, watch: PositionWatch): readonly Answer[] => {
  const shows = async (after: Position | undefined): Promise<void> => {
    if (after === undefined || (await watch.waitFor(after, waitMs))) return;
    const message = `expected the view to show position ${after} within ${waitMs} ms, got an older one; ask again`;
    throw new DomainError('not-caught-up', message);
  };
  return [
    answer('listJobs', async (request) => {
      await shows(request.after);
      const { items, nextCursor } = await listJobs(source, request);
      return { items: [...items], nextCursor };
    }),
    answer('getJob', async ({ jobId, after }) => {
      await shows(after);
      const job = await findJob(source, jobId);
      if (job === undefined) throw new DomainError('not-found', `expected a job with id ${jobId}, got none`);
      return job;
    }),
    answer('listAssignments', async ({ jobId, after }) => {
      await shows(after);
      return listAssignments(source, jobId);
    }),
    answer('listAudit', async (request) => {
      await shows(request.after);
      const { items, nextCursor } = await listAudit(source, request);
      return { items: [...items], nextCursor };
    }),
  ];
};
