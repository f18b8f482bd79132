/** What operators do to the projection beside the running service; behind `npm run rebuild-audit` and `npm run parked`. */
import type { EventStore } from '@signalbox/event-store';
import { type EventStoreSettings, openEventStore } from '@signalbox/event-store-choice';
import { openPool } from '@signalbox/postgres';
import type pg from 'pg';
import { migrateAudit, openDataSource } from './tables/database.ts';
import { type ParkedRow, listParked, redriveParked } from './tables/parked.ts';
import { type RebuildProgress, rebuildAudit } from './tables/rebuild.ts';

const withDatabase = async <T>(
  url: string,
  settings: EventStoreSettings,
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
    const { store, close } = await openEventStore({ settings, pool, name: 'signalbox audit maintenance' });
    try {
      return await work(pool, store);
    } finally {
      await close();
    }
  } finally {
    await pool.end();
  }
};

/** Builds the tables anew from the event store; see `rebuildAudit`. */
export const rebuild = (
  databaseUrl: string,
  settings: EventStoreSettings,
  onProgress: (progress: RebuildProgress) => void,
): Promise<RebuildProgress> =>
  withDatabase(databaseUrl, settings, (pool, store) => rebuildAudit({ pool, store, onProgress }));

/** The oldest parked events. */
export const parked = (
  databaseUrl: string,
  settings: EventStoreSettings,
  limit: number,
): Promise<readonly ParkedRow[]> => withDatabase(databaseUrl, settings, (pool) => listParked(pool, limit));

/** Projects the parked events of one stream; see `redriveParked`. */
export const redrive = (
  databaseUrl: string,
  settings: EventStoreSettings,
  stream: string,
): Promise<{ readonly handled: number; readonly left: number }> =>
  withDatabase(databaseUrl, settings, (pool, store) => redriveParked(pool, store, stream));
