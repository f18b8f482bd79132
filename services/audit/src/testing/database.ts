/** A database of its own with schema `audit`, for specs. */
import { decodeEvent, positionStart } from '@signalbox/contracts';
import type { EventStore } from '@signalbox/event-store';
import { openPool, transaction } from '@signalbox/postgres';
import { createDatabase } from '@signalbox/testkit';
import type pg from 'pg';
import type { DataSource } from 'typeorm';
import { migrateAudit, openDataSource } from '../tables/database.ts';
import { Partitions } from '../tables/partitions.ts';
import { projectEvents } from '../tables/project.ts';

export interface AuditDatabase {
  readonly url: string;
  readonly pool: pg.Pool;
  readonly source: DataSource;
  close(): Promise<void>;
}

export const openAuditDatabase = async (): Promise<AuditDatabase> => {
  const database = await createDatabase();
  const pool = openPool({ url: database.url, applicationName: 'audit spec' });
  const source = await openDataSource({ url: database.url, maxConnections: 4, onError: () => undefined });
  await migrateAudit(pool, source);
  return {
    url: database.url,
    pool,
    source,
    close: async () => {
      await source.destroy();
      await pool.end();
      await database.drop();
    },
  };
};

/** Projects a whole log directly, without bus and reader. */
export const projectAll = async (pool: pg.Pool, store: EventStore, batchSize: number): Promise<void> => {
  const partitions = new Partitions();
  for (let position = positionStart; ;) {
    const page = await store.readAll(position, batchSize);
    const last = page.at(-1);
    if (last === undefined) return;
    await transaction(pool, (tx) => projectEvents(tx, page.map(decodeEvent), partitions));
    position = last.position;
  }
};
