import type { EventStore } from '@signalbox/event-store';
import { openKurrentDbEventStore } from '@signalbox/event-store-kurrentdb';
import { logMigrations, openPostgresEventStore } from '@signalbox/event-store-postgres';
import type { Kit } from '@signalbox/service-kit';
import type pg from 'pg';
import type { EventStoreSettings } from './settings.ts';

interface Options {
  readonly settings: EventStoreSettings;
  /** The database of DATABASE_URL; holds the log unless it is in KurrentDB. The caller ends it. */
  readonly pool: pg.Pool;
  /** Who opens the store, for the server's logs. */
  readonly name: string;
  /** Called after new events have been stored: to wake the relay. Never throws. */
  readonly onAppended?: () => void;
}

interface OpenedEventStore {
  readonly store: EventStore;
  /** Ends the store's own connections; never those of the pool. */
  readonly close: () => Promise<void>;
}

/** Opens the event store that the settings name. */
export const openEventStore = async (options: Options): Promise<OpenedEventStore> => {
  const { settings, pool, name, onAppended } = options;
  const wake = onAppended === undefined ? {} : { onAppended };
  if (settings.eventStore === 'postgres') {
    return { store: await openPostgresEventStore({ pool, ...wake }), close: async () => undefined };
  }
  const url = settings.kurrentdbUrl;
  if (url === undefined) throw new Error('expected the address of KurrentDB, got none');
  const store = await openKurrentDbEventStore({ url, connectionName: name, ...wake });
  return { store, close: () => store.close() };
};

/** Ids of the migrations of schema `events`; none where the log is elsewhere. */
export const eventStoreMigrations = ({ eventStore }: EventStoreSettings): readonly string[] =>
  eventStore === 'postgres' ? logMigrations.map(({ id }) => id) : [];

/** Opens the event store of a service: closes it at the stop, and readiness asks a store that is not in Postgres. */
export const serveEventStore = async (
  options: Omit<Options, 'name'>,
  { name, lifecycle, health }: Kit,
): Promise<EventStore> => {
  const { store, close } = await openEventStore({ ...options, name: `signalbox ${name}` });
  lifecycle.onStop('event store', close);
  if (options.settings.eventStore === 'kurrentdb') {
    health.add('event store', async () => {
      await store.head();
    });
  }
  return store;
};
