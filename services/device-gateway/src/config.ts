import { eventStoreSettings } from '@signalbox/event-store-choice';
import { commonSettings, defineSettings, failureLimitSettings, setting } from '@signalbox/service-kit';

export const settings = defineSettings({
  ...commonSettings,
  ...eventStoreSettings,
  ...failureLimitSettings,
  port: setting.port({
    env: 'SIGNALBOX_GATEWAY_PORT',
    meaning: 'HTTP port of the agent protocol, health and metrics; 0 is a free one',
    default: 0,
  }),
  agentRequestsPerSecond: setting.int({
    env: 'SIGNALBOX_AGENT_REQUESTS_PER_SECOND',
    meaning:
      'Requests per second of one agent that one replica takes, twice as many at once after a pause; beyond it 429; 0 is no limit',
    default: 500,
    max: 1_000_000,
  }),
  deviceLeaseMs: setting.duration({
    env: 'SIGNALBOX_DEVICE_LEASE',
    meaning: 'Life of a device’s lease; the same in dispatcher and device-gateway',
    default: '60s',
    min: 1_000,
  }),
  workerLeaseMs: setting.duration({
    env: 'SIGNALBOX_WORKER_LEASE',
    meaning: 'Life of a worker’s lease',
    default: '10s',
    min: 1_000,
  }),
  sweepMs: setting.duration({
    env: 'SIGNALBOX_LEASE_SWEEP',
    meaning: 'How often leases are looked at that may have expired',
    default: '1s',
    min: 50,
    max: 60_000,
  }),
  lastSeenMs: setting.duration({
    env: 'SIGNALBOX_LAST_SEEN',
    meaning: 'How often it is written down when agents were last heard of',
    default: '5s',
    min: 100,
  }),
});
