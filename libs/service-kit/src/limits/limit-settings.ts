import { setting } from '../setting.ts';

/** Settings of every public door that limits failed attempts. Spread them into the service's table. */
export const failureLimitSettings = {
  failedAttemptsPerMinute: setting.int({
    env: 'SIGNALBOX_FAILED_ATTEMPTS_PER_MINUTE',
    meaning:
      'Requests with a key, credential or enrolment token that does not count, from one address (IPv6: /64), in one minute; beyond it one replica answers 429 to what it does not know already; 0 is no limit',
    default: 600,
    max: 1_000_000,
  }),
  trustedProxies: setting.addresses({
    env: 'SIGNALBOX_TRUSTED_PROXIES',
    meaning:
      'Proxies in front whose X-Forwarded-For is believed: addresses, ranges such as 10.0.0.0/8, or loopback, linklocal, uniquelocal; without it the address of the connection counts',
    default: '',
  }),
} as const;
