import { checkEventStore, eventStoreSettings } from '@signalbox/event-store-choice';
import {
  type NatsAccess,
  type SettingsOf,
  type SettingsProblem,
  checkNatsAccess,
  commonSettings,
  defineSettings,
  natsAccess,
  setting,
} from '@signalbox/service-kit';

/** Settings of the scheduler and of the relay that runs in it. */
export const settings = defineSettings({
  ...commonSettings,
  ...eventStoreSettings,
  port: setting.port({
    env: 'SIGNALBOX_SCHEDULER_PORT',
    meaning: 'HTTP port of health and metrics; 0 is a free one',
    default: 0,
  }),
  eventsMaxAgeMs: setting.duration({
    env: 'SIGNALBOX_EVENTS_MAX_AGE',
    meaning: 'How long JetStream keeps events; older ones are read over REST',
    default: '24h',
    min: 60_000,
  }),
  eventsReplicas: setting.int({
    env: 'SIGNALBOX_EVENTS_REPLICAS',
    meaning: 'Copies of the event stream in a NATS cluster: 1, 3 or 5',
    default: 1,
    min: 1,
    max: 5,
  }),
  relayNatsUser: setting.text({
    env: 'SIGNALBOX_RELAY_NATS_USER',
    meaning: 'User of NATS of the relay where its password is given; without it `relay`',
    optional: true,
  }),
  relayNatsPassword: setting.secret({
    env: 'SIGNALBOX_RELAY_NATS_PASSWORD',
    meaning: 'Password of the relay’s own user of NATS, the only one that publishes events',
    optional: true,
  }),
  relayNatsCredsFile: setting.text({
    env: 'SIGNALBOX_RELAY_NATS_CREDS_FILE',
    meaning: 'File with a JWT and a seed (`.creds`) of the relay instead of user and password',
    optional: true,
  }),
});
type Values = SettingsOf<typeof settings>;

const relayCredentials = (values: Values) => ({
  natsUrl: values.natsUrl,
  natsCaFile: values.natsCaFile,
  natsUser: values.relayNatsUser,
  natsPassword: values.relayNatsPassword,
  natsCredsFile: values.relayNatsCredsFile,
});

/** How the relay reaches NATS. On a server without users, or with one in the address, it needs nothing of its own. */
export const relayAccess = (values: Values): NatsAccess => natsAccess(relayCredentials(values), 'relay');

/** A relay that has to prove who it is, and has nothing to prove it with, would be refused for ever. */
export const checkSettings = (values: Values): readonly SettingsProblem[] => {
  const problems = [
    ...checkNatsAccess(values),
    ...checkEventStore(values),
    ...checkNatsAccess(relayCredentials(values), 'SIGNALBOX_RELAY_'),
  ];
  const proves = values.natsPassword !== undefined || values.natsCredsFile !== undefined;
  const relayProves = values.relayNatsPassword !== undefined || values.relayNatsCredsFile !== undefined;
  if (proves && !relayProves)
    problems.push({
      env: settings.relayNatsPassword.env,
      message: 'expected a password or credentials file for the relay as well, got none',
    });
  return problems;
};
