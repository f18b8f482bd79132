import { eventStoreSettings } from '@signalbox/event-store-choice';
import { commonSettings, defineSettings, setting } from '@signalbox/service-kit';

export const settings = defineSettings({
  ...commonSettings,
  ...eventStoreSettings,
  port: setting.port({
    env: 'SIGNALBOX_DISPATCHER_PORT',
    meaning: 'HTTP port of health and metrics; 0 is a free one',
    default: 0,
  }),
  tickMs: setting.duration({
    env: 'SIGNALBOX_DISPATCHER_TICK',
    meaning: 'How often deadlines are looked at',
    default: '250ms',
    min: 10,
    max: 60_000,
  }),
  deviceLeaseMs: setting.duration({
    env: 'SIGNALBOX_DEVICE_LEASE',
    meaning: 'Life of a device’s lease; the same in dispatcher and device-gateway',
    default: '60s',
    min: 1_000,
  }),
});
