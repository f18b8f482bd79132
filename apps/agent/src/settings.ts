import { parseDuration, parseSize } from './durations.ts';
import type { SettingName } from './flags.ts';
import { logLevels, type LogLevel } from './log.ts';
import { SettingReader, type SettingSources } from './setting-reader.ts';
import { wireLimits } from './wire.ts';

export interface Settings {
  /** Null: the server of the credential. */
  readonly server: URL | null;
  /** One-time token; a secret. */
  readonly token: string | null;
  readonly name: string;
  readonly stateDir: string;
  readonly properties: Readonly<Record<string, string>>;
  readonly pollWaitMs: number;
  readonly drainMs: number;
  readonly outputSpoolBytes: number;
  readonly niceness: number;
  /** Text of the certificate authority. */
  readonly ca: string | null;
  /** Of the authority to pin: `sha256:` and 64 hexadecimal digits in small letters. */
  readonly caFingerprint: string | null;
  readonly logLevel: LogLevel;
}

/** Settings that cannot be used; each problem names the setting and what was expected, and no secret. */
export class SettingsRefused extends Error {
  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'SettingsRefused';
  }
}

const within = (value: number | undefined, least: number, most: number): number | undefined =>
  value !== undefined && value >= least && value <= most ? value : undefined;

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host);

const parseServer = (text: string): URL | undefined => {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') return undefined;
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname))
    ? url
    : undefined;
};

const serverForm = 'an https:// address (http:// only to this machine: localhost, 127.x.x.x or [::1])';

/** Whether a server may be talked to: a credential never goes over a network in the clear. */
export const isAllowedServer = (text: string): boolean => parseServer(text) !== undefined;

const parseToken = (text: string): string | undefined =>
  /^[\x21-\x7e]{20,256}$/.test(text.trim()) ? text.trim() : undefined;
const tokenForm = '20 to 256 printable characters without spaces';

const readProperties = (reader: SettingReader): Record<string, string> => {
  const properties: Record<string, string> = {};
  for (const { from, texts } of [...reader.given('property')].reverse()) {
    const pairs = from.startsWith('SIGNALBOX_') ? texts.flatMap((text) => text.split(',')) : texts;
    for (const pair of pairs) {
      const [, key, value] = /^\s*([^=\s]{1,64})=(.{0,256})$/s.exec(pair) ?? [];
      if (key === undefined || value === undefined) {
        reader.problems.push(
          `${from}: expected KEY=VALUE with at most 64 and 256 characters, got ${JSON.stringify(pair.slice(0, 100))}`,
        );
      } else {
        properties[key] = value;
      }
    }
  }
  if (Object.keys(properties).length > 50)
    reader.problems.push('--property: expected at most 50 properties, got more');
  return properties;
};

/** @throws SettingsRefused naming everything that is wrong */
export const readSettings = (sources: SettingSources): Settings => {
  const reader = new SettingReader(sources);
  reader.useFile();
  const day = 86_400_000;
  const duration = (name: SettingName, most: number, form: string) =>
    reader.text(name, (text) => within(parseDuration(text), 0, most), `a duration ${form}`);
  const given = reader.text('token', parseToken, tokenForm, true);
  const tokenFile = given === undefined ? reader.file('token-file', parseToken, tokenForm) : undefined;
  const settings: Settings = {
    server: reader.text('server', parseServer, serverForm) ?? null,
    token: given ?? tokenFile ?? null,
    name:
      reader.text(
        'name',
        (text) => (/^.{1,128}$/.test(text.trim()) ? text.trim() : undefined),
        '1 to 128 characters',
      ) ?? sources.hostName.slice(0, 128),
    stateDir:
      reader.text('state-dir', (text) => text, 'a folder') ??
      `${sources.homeDir}/.local/state/signalbox-agent`,
    properties: readProperties(reader),
    pollWaitMs: duration('poll-wait', wireLimits.pollWaitMs, 'such as 30s, at most 60s') ?? 30_000,
    drainMs: duration('drain', day, 'such as 30s, at most 24h') ?? 30_000,
    outputSpoolBytes:
      reader.text(
        'output-spool',
        (text) => within(parseSize(text), 262_144, 1_073_741_824),
        'a size such as 64MiB, 256KiB to 1024MiB',
      ) ?? 67_108_864,
    niceness:
      reader.text(
        'niceness',
        (text) => (/^\d{1,2}$/.test(text) ? within(Number(text), 0, 19) : undefined),
        'a number from 0 to 19',
      ) ?? 5,
    ca:
      reader.file(
        'ca-file',
        (text) => (text.includes('-----BEGIN CERTIFICATE-----') ? text : undefined),
        'a certificate in PEM',
      ) ?? null,
    caFingerprint:
      reader.text(
        'ca-fingerprint',
        (text) => (/^sha256:[0-9a-f]{64}$/i.test(text.trim()) ? text.trim().toLowerCase() : undefined),
        'sha256: and 64 hexadecimal digits',
      ) ?? null,
    logLevel:
      reader.text('log-level', (text) => logLevels.find((level) => level === text), logLevels.join(', ')) ??
      'info',
  };
  if (reader.problems.length > 0) throw new SettingsRefused(reader.problems);
  return settings;
};
