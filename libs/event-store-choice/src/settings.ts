import { AddressProblem, parseAddress } from '@signalbox/event-store-kurrentdb';
import {
  type Env,
  type SettingsOf,
  type SettingsProblem,
  loadSettings,
  setting,
  settingNames,
} from '@signalbox/service-kit';

/** Settings of every service that uses the event store; spread them into its table. All services need the same values. */
export const eventStoreSettings = {
  eventStore: setting.choice({
    env: 'SIGNALBOX_EVENT_STORE',
    meaning:
      'Where the log is: postgres is schema events of DATABASE_URL, kurrentdb the server of SIGNALBOX_KURRENTDB_URL',
    choices: ['postgres', 'kurrentdb'],
    default: 'postgres',
  }),
  kurrentdbUrl: setting.secret({
    env: 'SIGNALBOX_KURRENTDB_URL',
    meaning:
      'KurrentDB or EventStoreDB, such as esdb://user:password@host:2113?tlsCaFile=/ca.crt; only with SIGNALBOX_EVENT_STORE=kurrentdb',
    optional: true,
  }),
} as const;

export type EventStoreSettings = SettingsOf<typeof eventStoreSettings>;

/** Contradictions between the two settings, and an address that cannot be used; shows no address. */
export const checkEventStore = ({
  eventStore,
  kurrentdbUrl,
}: EventStoreSettings): readonly SettingsProblem[] => {
  const { env } = eventStoreSettings.kurrentdbUrl;
  if (eventStore === 'postgres') {
    if (kurrentdbUrl === undefined) return [];
    return [
      {
        env,
        message: 'expected no value with SIGNALBOX_EVENT_STORE=postgres; remove it or choose kurrentdb',
      },
    ];
  }
  if (kurrentdbUrl === undefined)
    return [
      { env, message: 'expected the address of the server with SIGNALBOX_EVENT_STORE=kurrentdb, got none' },
    ];
  try {
    parseAddress(kurrentdbUrl);
    return [];
  } catch (error) {
    if (!(error instanceof AddressProblem)) throw error;
    return [{ env, message: error.message }];
  }
};

/** The two settings alone, for programs beside the services. @throws SettingsError */
export const readEventStoreSettings = (env: Env): EventStoreSettings =>
  loadSettings(
    eventStoreSettings,
    Object.fromEntries(settingNames(eventStoreSettings).map((name) => [name, env[name]])),
    { service: 'the event store', check: checkEventStore },
  );
