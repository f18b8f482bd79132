import { describe, expect, it } from '@jest/globals';
import { setting } from './setting.ts';
import { SettingsError, commonSettings, defineSettings, describeSettings, loadSettings } from './settings.ts';

const table = defineSettings({
  ...commonSettings,
  port: setting.port({ env: 'SIGNALBOX_X_PORT', meaning: 'Port', default: 0 }),
  leaseMs: setting.duration({ env: 'SIGNALBOX_LEASE', meaning: 'Lease', default: '60s', min: 1000 }),
  cacheBytes: setting.bytes({ env: 'SIGNALBOX_CACHE', meaning: 'Cache', default: '64MiB' }),
  eager: setting.flag({ env: 'SIGNALBOX_EAGER', meaning: 'Eager', default: false }),
  adminKey: setting.secret({ env: 'SIGNALBOX_ADMIN_KEY', meaning: 'Key', optional: true }),
});
const required = { DATABASE_URL: 'postgres://u:pw-secret@h/db', NATS_URL: 'nats://h:4222' };

const problemsOf = (env: Record<string, string>): SettingsError => {
  try {
    loadSettings(table, { ...required, ...env }, { service: 'x' });
  } catch (error) {
    if (error instanceof SettingsError) return error;
    throw error;
  }
  throw new Error('expected a refusal, got settings');
};

describe('settings', () => {
  it('compile to typed values with defaults', () => {
    const settings = loadSettings(
      table,
      { ...required, SIGNALBOX_LEASE: '5m', SIGNALBOX_X_PORT: '' },
      { service: 'x' },
    );
    expect(settings).toMatchObject({
      port: 0,
      leaseMs: 300_000,
      cacheBytes: 67_108_864,
      eager: false,
      adminKey: undefined,
      logLevel: 'info',
    });
  });

  it.each([
    ['250ms', 250],
    ['30s', 30_000],
    ['24h', 86_400_000],
    ['7d', 604_800_000],
  ])('reads the duration %s', (text, expected) => {
    expect(setting.duration({ env: 'SIGNALBOX_T', meaning: '' }).parse(text)).toBe(expected);
  });

  it.each([
    ['0', 0],
    ['0.25', 0.25],
    ['.5', 0.5],
    ['1.0', 1],
  ])('reads the ratio %s', (text, expected) => {
    expect(setting.ratio({ env: 'OTEL_T', meaning: '' }).parse(text)).toBe(expected);
  });

  it.each(['1.1', '-0.5', '1e-3', 'half', '0x1'])('refuses the ratio %s', (text) => {
    expect(() => setting.ratio({ env: 'OTEL_T', meaning: '' }).parse(text)).toThrow('a number from 0 to 1');
  });

  it('reads pairs, whose values are URL-encoded', () => {
    const pairs = setting.pairs({ env: 'OTEL_T', meaning: '', secret: true });
    expect(pairs.parse('authorization=Bearer%20a=b, x=')).toEqual({ authorization: 'Bearer a=b', x: '' });
    for (const text of ['key', '=value', 'a=1,', 'a=%zz'])
      expect(() => pairs.parse(text)).toThrow('name=value');
  });

  it('lists all problems by name and prints no value', () => {
    const error = problemsOf({
      DATABASE_URL: 'mysql://u:pw-secret@h',
      SIGNALBOX_LEASE: '3 parsecs',
      SIGNALBOX_X_PORT: '70000',
      SIGNALBOX_LOG_LEVEL: 'loud',
      SIGNALBOX_TYPO: 'typo-value',
    });
    expect(error.problems.map((each) => each.env).toSorted()).toEqual([
      'DATABASE_URL',
      'SIGNALBOX_LEASE',
      'SIGNALBOX_LOG_LEVEL',
      'SIGNALBOX_TYPO',
      'SIGNALBOX_X_PORT',
    ]);
    expect(error.message).not.toMatch(/pw-secret|parsecs|70000|loud|typo-value/);
  });

  it('refuse what is missing and what lies outside the bounds', () => {
    expect(
      problemsOf({ DATABASE_URL: '', SIGNALBOX_LEASE: '10ms' }).problems.map((each) => each.env),
    ).toEqual(['DATABASE_URL', 'SIGNALBOX_LEASE']);
  });

  it('pass over variables of other services that are known', () => {
    const env = { ...required, SIGNALBOX_GATEWAY_PORT: '1' };
    expect(() => loadSettings(table, env, { service: 'x' })).toThrow(SettingsError);
    expect(() =>
      loadSettings(table, env, { service: 'x', alsoKnown: ['SIGNALBOX_GATEWAY_PORT'] }),
    ).not.toThrow();
  });

  it('may contradict one another', () => {
    const check = (): { env: string; message: string }[] => [
      { env: 'SIGNALBOX_LEASE', message: 'expected less' },
    ];
    expect(() => loadSettings(table, required, { service: 'x', check })).toThrow(
      'SIGNALBOX_LEASE: expected less',
    );
  });

  it('are described with meaning, notation and default', () => {
    expect(describeSettings(table)).toContainEqual({
      env: 'SIGNALBOX_LEASE',
      meaning: 'Lease',
      notation: 'duration (ms, s, m, h, d)',
      standard: '60s',
      required: false,
    });
  });

  it('with a name that hides its unit are a mistake of the program', () => {
    const lease = setting.duration({ env: 'SIGNALBOX_LEASE', meaning: '', default: '1s' });
    expect(() => defineSettings({ lease })).toThrow('end in Ms');
  });
});
