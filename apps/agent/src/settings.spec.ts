import { describe, expect, it } from '@jest/globals';
import { parseDuration, parseSize } from './durations.ts';
import { parseFlags, settingNames, helpText } from './flags.ts';
import { readSettings, SettingsRefused } from './settings.ts';

const pem = '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n';
const token = 't'.repeat(43);

const read = (
  words: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  files: Readonly<Record<string, string>> = {},
) =>
  readSettings({
    flags: parseFlags(words),
    environment,
    readFile: (path) => {
      const content = files[path];
      if (content === undefined) throw new Error('no such file');
      return content;
    },
    homeDir: '/home/pi',
    hostName: 'pi-7',
  });

const problemsOf = (...from: Parameters<typeof read>): string => {
  try {
    read(...from);
  } catch (error) {
    if (error instanceof SettingsRefused) return error.message;
  }
  throw new Error('expected a refusal, got settings');
};

describe('settings', () => {
  it('have defaults for all but the server and the token', () => {
    expect(read([])).toEqual({
      server: null,
      token: null,
      name: 'pi-7',
      stateDir: '/home/pi/.local/state/signalbox-agent',
      properties: {},
      pollWaitMs: 30_000,
      drainMs: 30_000,
      outputSpoolBytes: 67_108_864,
      niceness: 5,
      ca: null,
      caFingerprint: null,
      logLevel: 'info',
    });
  });

  it('come from flags, then the environment, then the file', () => {
    const file = {
      name: 'file',
      drain: '1s',
      'poll-wait': '1s',
      property: { a: 'file', b: 'file', c: 'file' },
    };
    const settings = read(
      ['--config', 'agent.json', '--name=flag=1', '--property', 'a=flag', '--property', 'd=x=y'],
      {
        SIGNALBOX_NAME: 'variable',
        SIGNALBOX_DRAIN: '2s',
        SIGNALBOX_PROPERTY: 'b=variable,e=f',
        SIGNALBOX_JOB_ID: '',
      },
      { 'agent.json': JSON.stringify(file) },
    );
    expect(settings).toMatchObject({ name: 'flag=1', drainMs: 2000, pollWaitMs: 1000 });
    expect(settings.properties).toEqual({ a: 'flag', b: 'variable', c: 'file', d: 'x=y', e: 'f' });
  });

  it('take the token from a file, and the certificate authority', () => {
    const files = { 'token.txt': `${token}\n`, 'ca.pem': pem };
    expect(read(['--token-file', 'token.txt', '--ca-file', 'ca.pem'], {}, files)).toMatchObject({
      token,
      ca: pem,
    });
  });

  it.each([
    'https://box.example',
    'https://box.example:8443/base',
    'http://127.0.0.1:4002',
    'http://localhost:4002',
    'http://[::1]:4002',
  ])('allow the server %s', (server) => expect(read(['--server', server]).server?.href).toContain(server));

  it.each([
    'http://box.example',
    'http://10.0.0.1',
    'http://127.0.0.1.evil.example',
    'http://localhost.example',
    'ftp://localhost',
    'https://user:secret@box',
    'box',
  ])('refuse the server %s', (server) =>
    expect(problemsOf(['--server', server])).toContain('--server: expected an https:// address'),
  );

  it.each([
    [['--poll-wait', '30'], '--poll-wait: expected a duration such as 30s, at most 60s, got "30"'],
    [['--poll-wait', '61s'], '--poll-wait: expected a duration'],
    [['--drain', '25h'], '--drain: expected a duration'],
    [['--output-spool', '1KiB'], '--output-spool: expected a size such as 64MiB'],
    [['--niceness', '20'], '--niceness: expected a number from 0 to 19, got "20"'],
    [['--log-level', 'loud'], '--log-level: expected debug, info, warn, error, got "loud"'],
    [['--property', 'novalue'], '--property: expected KEY=VALUE'],
    [['--name', ' '], '--name: expected 1 to 128 characters'],
    [['--name'], '--name: expected a value, got none'],
    [['--name', '--drain', '1s'], '--name: expected a value, got none'],
    [['--name', 'a', '--name', 'b'], '--name: expected once, got 2 times'],
    [['--serve', 'x'], `--serve: expected a known flag; known flags: --server, --token`],
    [['start'], 'expected flags only, got a word of 5 characters; known flags: --server'],
    [['--token-file', 'none'], '--token-file: expected a readable file'],
    [['--config', 'none'], '--config: expected a readable file with a JSON object'],
  ])('refuse %j by name', (words, text) => {
    expect(problemsOf(words)).toContain(text);
  });

  it('name the variable or the file that a bad value came from', () => {
    expect(problemsOf([], { SIGNALBOX_DRAIN: 'x' })).toContain(
      'SIGNALBOX_DRAIN (--drain): expected a duration',
    );
    const text = problemsOf(['--config', 'f'], {}, { f: '{"drain":5,"colour":"red"}' });
    expect(text).toContain('key drain of the configuration file (--drain)');
    expect(text).toContain('got "colour"');
  });

  it('tell all problems at once and no token', () => {
    const text = problemsOf(['--drain', 'x', '--log-level', 'y', '--token', 'my secret token']);
    expect(text.split('\n').length).toBe(3);
    expect(text).not.toContain('secret');
  });

  it('are all in the help', () => {
    for (const name of settingNames) expect(helpText('1.2.3')).toContain(`--${name} `);
    expect(parseFlags(['--help']).action).toBe('help');
    expect(parseFlags(['--version']).action).toBe('version');
  });

  it.each([
    ['250ms', 250],
    ['30s', 30_000],
    ['5m', 300_000],
    ['1h', 3_600_000],
    ['1.5s', undefined],
    ['-1s', undefined],
    ['s', undefined],
  ])('read the duration %s', (text, ms) => expect(parseDuration(text)).toBe(ms));

  it.each([
    ['64KiB', 65_536],
    ['8MiB', 8_388_608],
    ['8MB', undefined],
    ['8', undefined],
  ])('read the size %s', (text, bytes) => expect(parseSize(text)).toBe(bytes));
});
