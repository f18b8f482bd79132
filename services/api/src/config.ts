import { checkEventStore, eventStoreSettings } from '@signalbox/event-store-choice';
import {
  checkNatsAccess,
  commonSettings,
  defineSettings,
  failureLimitSettings,
  setting,
  type SettingsOf,
  type SettingsProblem,
} from '@signalbox/service-kit';

/** Settings of the api, besides those that every service has. */
export const settings = defineSettings({
  ...commonSettings,
  ...eventStoreSettings,
  ...failureLimitSettings,
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
  publicUrl: setting.url({
    env: 'SIGNALBOX_PUBLIC_URL',
    meaning: 'Address by which devices reach Signalbox, for the enrolment line; without it there is none',
    protocols: ['https', 'http'],
    optional: true,
  }),
  caFingerprint: setting.text({
    env: 'SIGNALBOX_CA_FINGERPRINT',
    meaning:
      'SHA-256 of the authority behind the public certificate that devices pin: `sha256:` and 64 hexadecimal digits; not needed for authorities that every system knows',
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
  certificateFile: setting.text({
    env: 'SIGNALBOX_API_CERTIFICATE_FILE',
    meaning:
      'File in PEM with the certificate of the public door, for /api/v1/system/checks to say when it ends; it is not used otherwise',
    optional: true,
  }),
  keyRequestsPerSecond: setting.int({
    env: 'SIGNALBOX_API_KEY_REQUESTS_PER_SECOND',
    meaning:
      'Requests per second with one API key that one replica takes, twice as many at once after a pause; beyond it 429; 0 is no limit',
    default: 5000,
    max: 1_000_000,
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
  ...checkFingerprint(values),
];

const checkFingerprint = ({ caFingerprint }: ApiSettings): readonly SettingsProblem[] =>
  caFingerprint === undefined || /^sha256:[0-9a-f]{64}$/.test(caFingerprint)
    ? []
    : [{ env: settings.caFingerprint.env, message: 'expected sha256: and 64 hexadecimal digits' }];

const checkAdminKey = ({ bootstrapAdminKey }: ApiSettings): readonly SettingsProblem[] =>
  bootstrapAdminKey === undefined || /^[A-Za-z0-9_-]{32,128}$/.test(bootstrapAdminKey)
    ? []
    : [
        {
          env: settings.bootstrapAdminKey.env,
          message: 'expected 32 to 128 characters of A-Z, a-z, 0-9, "_" and "-"',
        },
      ];
