import type { NatsConnection } from '@signalbox/bus-nats';
import {
  type Look,
  busLook,
  leaseLook,
  lookAt,
  postgresLooks,
  relayLook,
  schemaLook,
} from '@signalbox/checks';
import type { EventStore } from '@signalbox/event-store';
import { eventStoreMigrations } from '@signalbox/event-store-choice';
import type { Kit, SettingsOf } from '@signalbox/service-kit';
import type { Pool } from 'pg';
import type { settings } from './config.ts';

interface Parts {
  readonly pool: Pool;
  /** The connection of the relay's user: the only one that may look at the stream. */
  readonly relayBus: NatsConnection;
  readonly store: EventStore;
  readonly values: SettingsOf<typeof settings>;
  readonly kit: Kit;
}

const storeLook = (store: EventStore, kind: string): Look =>
  lookAt(
    {
      id: 'store',
      title: 'Event store',
      wanted: 'answers',
      advice: 'Nothing is accepted while the log cannot be reached: look at the server that holds it.',
    },
    async () => ['ok', `${kind}, ${store.storeId}, head ${await store.head()}`],
  );

/** What the scheduler looks at for all: Postgres, the bus, the log and its way to the bus. */
export const looks = ({ pool, relayBus, store, values, kit }: Parts): readonly Look[] => {
  const migrations = eventStoreMigrations(values);
  return [
    ...postgresLooks(pool),
    busLook(relayBus, { maxAgeMs: values.eventsMaxAgeMs, replicas: values.eventsReplicas }),
    storeLook(store, values.eventStore),
    ...(migrations.length === 0 ? [] : [schemaLook(pool, { schema: 'events', migrations })]),
    relayLook(store, () => kit.clock.nowMs()),
    leaseLook(pool, 'relay'),
  ];
};
