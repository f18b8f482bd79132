import { natsSettings } from './nats-settings.ts';
import { secretFileOf, textOf } from './secret-file.ts';
import { SettingProblem, setting, type Setting } from './setting.ts';
import { tracingSettings } from './tracing/tracing-settings.ts';

/** The settings of one service, by the names that its code uses. */
export type SettingsTable = Readonly<Record<string, Setting<unknown>>>;
export type SettingsOf<T extends SettingsTable> = {
  readonly [K in keyof T]: T[K] extends Setting<infer V> ? V : never;
};
export type Env = Readonly<Record<string, string | undefined>>;

/** Prefix of every variable of ours; one with this prefix that nobody declares stops the start. */
export const settingPrefix = 'SIGNALBOX_';

/** Ours, and OpenTelemetry's, whose names every program shares. */
const prefixes = [settingPrefix, 'OTEL_'];
const standardNames = new Set(['DATABASE_URL', 'NATS_URL']);

/** What is wrong with one setting: its variable, and what was expected of it. */
export interface SettingsProblem {
  readonly env: string;
  readonly message: string;
}

/** Thrown at start when settings are missing, unreadable, unknown or contradictory. Lists all of them, prints no value. */
export class SettingsError extends Error {
  readonly problems: readonly SettingsProblem[];
  constructor(service: string, problems: readonly SettingsProblem[]) {
    const lines = problems.map((each) => `  ${each.env}: ${each.message}`);
    super(`expected valid settings of ${service}, got ${problems.length} problem(s):\n${lines.join('\n')}`);
    this.name = 'SettingsError';
    this.problems = problems;
  }
}

/** Settings that every service has. Spread them into a service's table. */
export const commonSettings = {
  databaseUrl: setting.url({
    env: 'DATABASE_URL',
    meaning: 'Postgres database with the schemas of this service',
    protocols: ['postgres', 'postgresql'],
  }),
  ...natsSettings,
  listenHost: setting.text({
    env: 'SIGNALBOX_LISTEN_HOST',
    meaning: 'Address on which the service listens for HTTP; 0.0.0.0 is every interface',
    default: '127.0.0.1',
  }),
  logLevel: setting.choice({
    env: 'SIGNALBOX_LOG_LEVEL',
    meaning: 'Least severe log line that is written',
    choices: ['fatal', 'error', 'warn', 'info', 'debug', 'silent'],
    default: 'info',
  }),
  ...tracingSettings,
} as const;

/** Checks a table once, when the code is loaded: names, prefixes and unit suffixes. Throws a plain Error on a mistake. */
export const defineSettings = <const T extends SettingsTable>(table: T): T => {
  for (const [name, each] of Object.entries(table)) {
    const isKnown = prefixes.some((prefix) => each.env.startsWith(prefix)) || standardNames.has(each.env);
    if (!isKnown) throw new Error(`expected ${each.env} to begin with ${settingPrefix}`);
    if (each.notation.startsWith('duration') && !name.endsWith('Ms'))
      throw new Error(`expected ${name} to end in Ms`);
    if (each.notation.startsWith('size') && !name.endsWith('Bytes'))
      throw new Error(`expected ${name} to end in Bytes`);
    if (each.standard !== undefined) each.parse(each.standard);
  }
  return table;
};

const readOne = (each: Setting<unknown>, env: Env, problems: SettingsProblem[]): unknown => {
  try {
    const text = textOf(each, env) ?? each.standard;
    if (text !== undefined) return each.parse(text);
    if (!each.optional)
      problems.push({ env: each.env, message: `expected a value (${each.notation}), got none` });
    return undefined;
  } catch (error) {
    if (!(error instanceof SettingProblem)) throw error;
    problems.push({ env: each.env, message: error.message });
    return undefined;
  }
};

export interface LoadOptions<T extends SettingsTable> {
  /** Name of the service, for the error. */
  readonly service: string;
  /** Variables of other services that share the environment; they are passed over. */
  readonly alsoKnown?: readonly string[];
  /** Finds contradictions between settings. Runs only when each setting is valid by itself. */
  readonly check?: (settings: SettingsOf<T>) => readonly SettingsProblem[];
}

/**
 * Reads a service's settings from its environment, once, at start. An empty variable counts as not set.
 *
 * @throws SettingsError with all problems: missing, unreadable, unknown with our prefix, contradictory
 */
export const loadSettings = <const T extends SettingsTable>(
  table: T,
  env: Env,
  options: LoadOptions<T>,
): SettingsOf<T> => {
  const problems: SettingsProblem[] = [];
  const known = new Set([...settingNames(table), ...(options.alsoKnown ?? [])]);
  for (const name of Object.keys(env)) {
    if (name.startsWith(settingPrefix) && !known.has(name)) {
      problems.push({ env: name, message: 'unknown setting; remove it or correct the spelling' });
    }
  }
  const entries = Object.entries(table).map(([name, each]) => [name, readOne(each, env, problems)]);
  const settings = Object.fromEntries(entries) as SettingsOf<T>;
  if (problems.length === 0) problems.push(...(options.check?.(settings) ?? []));
  if (problems.length > 0) throw new SettingsError(options.service, problems);
  return settings;
};

/** Environment variables of a table; give them as `alsoKnown` to services that share its environment. */
export const settingNames = (table: SettingsTable): string[] =>
  Object.values(table).flatMap((each) => (each.secret ? [each.env, secretFileOf(each.env)] : [each.env]));

/** One row of the generated settings page. */
export interface SettingDescription {
  readonly env: string;
  readonly meaning: string;
  readonly notation: string;
  readonly standard: string | null;
  readonly required: boolean;
}

export const describeSettings = (table: SettingsTable): SettingDescription[] =>
  Object.values(table).map((each) => ({
    env: each.env,
    meaning: each.meaning,
    notation: each.notation,
    standard: each.standard ?? null,
    required: each.standard === undefined && !each.optional,
  }));
