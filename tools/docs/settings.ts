import { existsSync, readdirSync } from 'node:fs';
import { describeSettings } from '@signalbox/service-kit';
import { table } from './error-codes.ts';

const folder = new URL('../../services/', import.meta.url);
const configOf = (service: string): URL => new URL(`${service}/src/config.ts`, folder);

/** Services that have settings, by name. */
const services = (): string[] =>
  readdirSync(folder)
    .filter((each) => existsSync(configOf(each)))
    .toSorted();

type SettingsTable = Parameters<typeof describeSettings>[0];

const isTable = (value: unknown): value is SettingsTable =>
  typeof value === 'object' &&
  value !== null &&
  Object.values(value).length > 0 &&
  Object.values(value).every(
    (each) =>
      typeof each === 'object' && each !== null && 'env' in each && 'meaning' in each && 'parse' in each,
  );

/** The settings table that a service's `config.ts` exports. */
const tableOf = async (service: string): Promise<SettingsTable> => {
  const file = configOf(service);
  const exported: Record<string, unknown> = await import(file.href);
  const found = Object.values(exported).find(isTable);
  if (found === undefined)
    throw new Error(`expected ${file.pathname} to export its table of settings, got none`);
  return found;
};

/** The page of all settings, by service. */
export const settingsPage = async (): Promise<string> => {
  const parts = [
    '<!-- Generated from the services’ config.ts by `npm run generate`; do not edit. -->',
    '# Settings',
    'Services are configured by environment variables only, read once at start. Unknown names with our prefix, unreadable values and contradictions stop the start with all problems listed; values are never printed.',
    'A secret and a URL may stand in a file instead: `<variable>_FILE` names it, such as `DATABASE_URL_FILE=/run/secrets/database-url`.',
  ];
  for (const service of services()) {
    const rows = describeSettings(await tableOf(service)).map((each) => [
      `\`${each.env}\``,
      each.meaning,
      each.notation,
      each.standard === null ? (each.required ? '**required**' : '–') : `\`${each.standard}\``,
    ]);
    parts.push(`## ${service}`, table(['variable', 'meaning', 'notation', 'default'], rows));
  }
  return `${parts.join('\n\n')}\n`;
};
