import { commonSettings, defineSettings, setting } from '@signalbox/service-kit';

/** Settings of the scheduler and of the relay that runs in it. */
export const settings = defineSettings({
  ...commonSettings,
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
});
