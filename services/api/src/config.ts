import { checkEventStore, eventStoreSettings } from '@signalbox/event-store-choice';
import {
  checkNatsAccess,
  commonSettings,
  defineSettings,
  setting,
  type SettingsOf,
  type SettingsProblem,
} from '@signalbox/service-kit';

/** Settings of the api, besides those that every service has. */
export const settings = defineSettings({
  ...commonSettings,
  ...eventStoreSettings,
  port: setting.port({
    env: 'SIGNALBOX_API_PORT',
    meaning: 'Port of the REST API; 0 takes a free one',
    default: 0,
  }),
  bootstrapAdminKey: setting.secret({
    env: 'SIGNALBOX_BOOTSTRAP_ADMIN_KEY',
    meaning:
      'API key with role admin that is taken over at a start at which no admin key counts; at least 32 characters of A-Z, a-z, 0-9, _ and -',
    optional: true,
  }),
  maxStreams: setting.int({
    env: 'SIGNALBOX_API_MAX_STREAMS',
    meaning:
      'Most live streams (server-sent events) that are open at once in one replica; more are answered 429',
    default: 1000,
    min: 1,
    max: 100_000,
  }),
  databaseConnections: setting.int({
    env: 'SIGNALBOX_API_DATABASE_CONNECTIONS',
    meaning: 'Most connections of one replica to Postgres for the event store; keys take a few more',
    default: 8,
    min: 1,
    max: 500,
  }),
});
export type ApiSettings = SettingsOf<typeof settings>;

export const checkSettings = (values: ApiSettings): readonly SettingsProblem[] => [
  ...checkNatsAccess(values),
  ...checkEventStore(values),
  ...checkAdminKey(values),
];

const checkAdminKey = ({ bootstrapAdminKey }: ApiSettings): readonly SettingsProblem[] =>
  bootstrapAdminKey === undefined || /^[A-Za-z0-9_-]{32,128}$/.test(bootstrapAdminKey)
    ? []
    : [
        {
          env: settings.bootstrapAdminKey.env,
          message: 'expected 32 to 128 characters of A-Z, a-z, 0-9, "_" and "-"',
        },
      ];
