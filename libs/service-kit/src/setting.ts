import proxyAddr from '@fastify/proxy-addr';

/** One setting of a service: an environment variable with its meaning, notation, default and value type. */
export interface Setting<T> {
  readonly env: string;
  readonly meaning: string;
  /** Notation of the value, for the settings page. */
  readonly notation: string;
  /** The default as it would be written in the environment; undefined when there is none. */
  readonly standard: string | undefined;
  readonly optional: boolean;
  /** True when the value itself must never be shown. */
  readonly secret: boolean;
  /** Reads the text. Throws {@link SettingProblem}, whose message never holds the value. */
  readonly parse: (text: string) => T;
}

/** Thrown while one setting is read; says what was expected, never what came. */
export class SettingProblem extends Error {
  constructor(expected: string) {
    super(`expected ${expected}`);
    this.name = 'SettingProblem';
  }
}

interface Options {
  readonly env: string;
  readonly meaning: string;
  readonly default?: string | number | boolean;
  readonly optional?: boolean;
}
interface Bounds {
  /** Smallest and largest value, in the unit that the setting compiles to (milliseconds, bytes). */
  readonly min?: number;
  readonly max?: number;
}

/** A setting without default that is marked `optional` may be undefined; all others always have a value. */
interface Kind<X, T> {
  (options: Options & X & { readonly optional: true }): Setting<T | undefined>;
  (options: Options & X): Setting<T>;
}
interface ChoiceKind {
  <const C extends string>(
    options: Options & Choices<C> & { readonly optional: true },
  ): Setting<C | undefined>;
  <const C extends string>(options: Options & Choices<C>): Setting<C>;
}
interface Choices<C extends string> {
  readonly choices: readonly C[];
}
interface Unbounded {
  readonly min?: never;
}

const define = <T>(
  options: Options,
  notation: string,
  parse: (text: string) => T,
  secret = false,
): Setting<T> => ({
  env: options.env,
  meaning: options.meaning,
  notation,
  standard: options.default === undefined ? undefined : String(options.default),
  optional: options.optional === true,
  secret,
  parse,
});

const bounded = (value: number, bounds: Bounds, unit: string): number => {
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = bounds;
  if (value < min || value > max) throw new SettingProblem(`a value from ${min} to ${max}${unit}`);
  return value;
};

const wholeNumber = (text: string): number => {
  if (!/^-?\d{1,15}$/.test(text)) throw new SettingProblem('a whole number');
  return Number(text);
};

const durationUnits: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const byteUnits: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1_048_576, GiB: 1_073_741_824 };

const withUnit = (text: string, units: Readonly<Record<string, number>>, example: string): number => {
  const [, digits, unit = ''] = /^(\d{1,12})([A-Za-z]+)$/.exec(text) ?? [];
  const factor = Object.hasOwn(units, unit) ? units[unit] : undefined;
  if (digits === undefined || factor === undefined) {
    throw new SettingProblem(
      `a whole number with one of the units ${Object.keys(units).join(', ')}, such as ${example}`,
    );
  }
  return Number(digits) * factor;
};

const urlOf = (text: string, protocols: readonly string[]): string => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !protocols.includes(url.protocol.slice(0, -1))) {
    throw new SettingProblem(`a URL that begins with ${protocols.map((each) => `${each}://`).join(' or ')}`);
  }
  return text;
};

/** Reads `250ms`, `30s`, `5m`, `24h` or `7d` as milliseconds. Throws {@link SettingProblem}. */
export const parseDuration = (text: string): number => withUnit(text, durationUnits, '30s');

const text: Kind<Unbounded, string> = (options: Options) => define(options, 'text', (value) => value);

const secret: Kind<Unbounded, string> = (options: Options) =>
  define(options, 'secret', (value) => value, true);

const url: Kind<{ readonly protocols: readonly string[] }, string> = (
  options: Options & { readonly protocols: readonly string[] },
) =>
  define(options, `URL (${options.protocols.join(', ')})`, (value) => urlOf(value, options.protocols), true);

const addressesOf = (text: string): readonly string[] => {
  const list = text
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '');
  try {
    proxyAddr.compile(list);
    return list;
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
    throw new SettingProblem(
      'IP addresses, ranges such as 10.0.0.0/8, loopback, linklocal or uniquelocal, separated by commas',
    );
  }
};

const addresses: Kind<Unbounded, readonly string[]> = (options: Options) =>
  define(options, 'addresses and ranges, separated by commas', addressesOf);

const port: Kind<Unbounded, number> = (options: Options) =>
  define(options, 'port, 0 to 65535', (value) => bounded(wholeNumber(value), { max: 65_535 }, ''));

const int: Kind<Bounds, number> = (options: Options & Bounds) =>
  define(options, 'whole number', (value) => bounded(wholeNumber(value), options, ''));

const duration: Kind<Bounds, number> = (options: Options & Bounds) =>
  define(options, 'duration (ms, s, m, h, d)', (value) => bounded(parseDuration(value), options, ' ms'));

const bytes: Kind<Bounds, number> = (options: Options & Bounds) =>
  define(options, 'size (B, KiB, MiB, GiB)', (value) =>
    bounded(withUnit(value, byteUnits, '64MiB'), options, ' bytes'),
  );

const flag: Kind<Unbounded, boolean> = (options: Options) =>
  define(options, 'true or false', (value) => {
    if (value !== 'true' && value !== 'false') throw new SettingProblem('true or false');
    return value === 'true';
  });

const ratio: Kind<Unbounded, number> = (options: Options) =>
  define(options, 'number from 0 to 1', (value) => {
    if (!/^(0|1|[01]?\.\d{1,9}|1\.0)$/.test(value) || Number(value) > 1) {
      throw new SettingProblem('a number from 0 to 1');
    }
    return Number(value);
  });

type Pairs = Readonly<Record<string, string>>;

const pairsOf = (text: string): Pairs => {
  const expected = 'name=value, several separated by commas, values URL-encoded';
  const entries = text.split(',').map((each): [string, string] => {
    const [, name, value] = /^\s*([^\s=]+)\s*=(.*)$/.exec(each) ?? [];
    if (name === undefined || value === undefined) throw new SettingProblem(expected);
    try {
      return [name, decodeURIComponent(value.trim())];
    } catch (error) {
      if (error instanceof URIError) throw new SettingProblem(expected);
      throw error;
    }
  });
  return Object.fromEntries(entries);
};

const pairs: Kind<{ readonly secret?: boolean }, Pairs> = (
  options: Options & { readonly secret?: boolean },
) => define(options, 'name=value,…', pairsOf, options.secret === true);

const choice: ChoiceKind = <const C extends string>(options: Options & Choices<C>) =>
  define(options, `one of ${options.choices.join(', ')}`, (value) => {
    const found = options.choices.find((each) => each === value);
    if (found === undefined) throw new SettingProblem(`one of ${options.choices.join(', ')}`);
    return found;
  });

/**
 * Kinds of settings; each compiles the text of an environment variable to a typed value.
 * `url` may carry a password, so it is never shown. `port` 0 takes a free port. `duration` compiles to milliseconds
 * and its name in the table ends in `Ms`; `bytes` compiles to bytes and its name ends in `Bytes`. `pairs` compiles
 * `a=1,b=2` to a record, `addresses` `10.0.0.0/8,loopback` to a list.
 */
export const setting = {
  text,
  secret,
  url,
  port,
  addresses,
  int,
  ratio,
  pairs,
  duration,
  bytes,
  flag,
  choice,
} as const;
