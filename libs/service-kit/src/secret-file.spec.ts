import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { SettingsError, commonSettings, defineSettings, loadSettings } from './settings.ts';

const table = defineSettings(commonSettings);
const url = 'postgres://u:pw-in-file@h/db';
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'signalbox-settings-'));
  writeFileSync(join(folder, 'url'), `${url}\n`);
  writeFileSync(join(folder, 'empty'), '\n');
});
afterAll(() => rmSync(folder, { recursive: true }));

const load = (env: Record<string, string>) =>
  loadSettings(table, { NATS_URL: 'nats://h:4222', ...env }, { service: 'x' });

const messageOf = (env: Record<string, string>): string => {
  try {
    load(env);
  } catch (error) {
    if (error instanceof SettingsError) return error.message;
    throw error;
  }
  throw new Error('expected a refusal, got settings');
};

it('reads a secret from the file that its variable with _FILE names', () => {
  expect(load({ DATABASE_URL_FILE: join(folder, 'url') }).databaseUrl).toBe(url);
});

it('counts an empty variable beside the file as not given', () => {
  expect(load({ DATABASE_URL: '', DATABASE_URL_FILE: join(folder, 'url') }).databaseUrl).toBe(url);
});

it.each([
  [
    'both',
    { DATABASE_URL: url, DATABASE_URL_FILE: 'x' },
    'one of DATABASE_URL and DATABASE_URL_FILE, got both',
  ],
  [
    'no file',
    { DATABASE_URL_FILE: '/nowhere' },
    'DATABASE_URL_FILE to name a file that can be read, got ENOENT',
  ],
])('refuses %s by name', (_, env, message) => {
  expect(messageOf(env)).toContain(`DATABASE_URL: expected ${message}`);
  expect(messageOf(env)).not.toContain('pw-in-file');
});

it('refuses an empty file', () => {
  expect(messageOf({ DATABASE_URL_FILE: join(folder, 'empty') })).toContain('got an empty one');
});

it('refuses a file for a setting that holds no secret', () => {
  expect(messageOf({ DATABASE_URL: url, SIGNALBOX_LOG_LEVEL_FILE: join(folder, 'url') })).toContain(
    'SIGNALBOX_LOG_LEVEL_FILE: unknown setting',
  );
});
