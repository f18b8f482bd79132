import { SettingsError } from '@signalbox/service-kit';
import { describe, expect, it } from '@jest/globals';
import { readEventStoreSettings } from './index.ts';

const problemsOf = (env: Record<string, string>): string => {
  try {
    readEventStoreSettings(env);
    return '';
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    return error.problems.map((each) => `${each.env}: ${each.message}`).join('\n');
  }
};

describe('the choice of the event store', () => {
  it('is Postgres unless told otherwise, whatever else is in the environment', () => {
    expect(readEventStoreSettings({ SIGNALBOX_OTHER: 'x' })).toEqual({
      eventStore: 'postgres',
      kurrentdbUrl: undefined,
    });
  });

  it('takes KurrentDB with an address', () => {
    const url = 'esdb://admin:sesame@host:2113';
    const env = { SIGNALBOX_EVENT_STORE: 'kurrentdb', SIGNALBOX_KURRENTDB_URL: url };
    expect(readEventStoreSettings(env)).toEqual({ eventStore: 'kurrentdb', kurrentdbUrl: url });
  });

  it.each([
    ['another store', { SIGNALBOX_EVENT_STORE: 'mysql' }, 'one of postgres, kurrentdb'],
    ['no address', { SIGNALBOX_EVENT_STORE: 'kurrentdb' }, 'expected the address'],
    ['an address that nobody would use', { SIGNALBOX_KURRENTDB_URL: 'esdb://sesame' }, 'expected no value'],
    [
      'an address that cannot be used',
      { SIGNALBOX_EVENT_STORE: 'kurrentdb', SIGNALBOX_KURRENTDB_URL: 'http://sesame' },
      'expected an address such as',
    ],
  ])('is refused with %s, and shows no value', (_, env, message) => {
    expect(problemsOf(env)).toContain(message);
    expect(problemsOf(env)).not.toContain('sesame');
  });
});
