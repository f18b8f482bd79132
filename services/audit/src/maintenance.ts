/** What operators do to the projection beside the running service; behind `npm run rebuild-audit` and `npm run parked`. */
import type { EventStore } from '@signalbox/event-store';
import { openPostgresEventStore } from '@signalbox/event-store-postgres';
import { openPool } from '@signalbox/postgres';
import type pg from 'pg';
import { migrateAudit, openDataSource } from './tables/database.ts';
import { type ParkedRow, listParked, redriveParked } from './tables/parked.ts';
import { type RebuildProgress, rebuildAudit } from './tables/rebuild.ts';

const withDatabase = async <T>(
  url: string,
  work: (pool: pg.Pool, store: EventStore) => Promise<T>,
): Promise<T> => {
  const pool = openPool({ url, max: 4, applicationName: 'signalbox audit maintenance' });
  try {
    const source = await openDataSource({ url, maxConnections: 1, onError: () => undefined });
    try {
      await migrateAudit(pool, source);
    } finally {
      await source.destroy();
    }
    return await work(pool, await openPostgresEventStore({ pool }));
  } finally {
    await pool.end();
  }
};

/** Builds the tables anew from the event store of the same database; see `rebuildAudit`. */
export const rebuild = (
  databaseUrl: string,
  onProgress: (progress: RebuildProgress) => void,
): Promise<RebuildProgress> =>
  withDatabase(databaseUrl, (pool, store) => rebuildAudit({ pool, store, onProgress }));

/** The oldest parked events. */
export const parked = (databaseUrl: string, limit: number): Promise<readonly ParkedRow[]> =>
  withDatabase(databaseUrl, (pool) => listParked(pool, limit));

/** Projects the parked events of one stream; see `redriveParked`. */
export const redrive = (
  databaseUrl: string,
  stream: string,
): Promise<{ readonly handled: number; readonly left: number }> =>
  withDatabase(databaseUrl, (pool, store) => redriveParked(pool, store, stream));
