import { eventStoreSettings } from '@signalbox/event-store-choice';
import { commonSettings, defineSettings, setting } from '@signalbox/service-kit';

/** Settings of the audit service. */
export const settings = defineSettings({
  ...commonSettings,
  ...eventStoreSettings,
  port: setting.port({
    env: 'SIGNALBOX_AUDIT_PORT',
    meaning: 'HTTP port of health and metrics; 0 is a free one',
    default: 0,
  }),
  batchSize: setting.int({
    env: 'SIGNALBOX_AUDIT_BATCH_SIZE',
    meaning: 'Most events that the projector writes in one transaction',
    default: 500,
    min: 1,
    max: 5_000,
  }),
  readerPassword: setting.secret({
    env: 'SIGNALBOX_AUDIT_READER_PASSWORD',
    meaning:
      'Password with which auditors log in as signalbox_audit_reader; without it that role is left as it is',
    optional: true,
  }),
});
