import { isRecord, type Fields } from './answers.ts';
import { isSettingName, settingNames, variableOf, type Flags, type SettingName } from './flags.ts';

/** What the settings are read from, so that reading them is pure. */
export interface SettingSources {
  readonly flags: Flags;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** @throws when the file cannot be read */
  readonly readFile: (path: string) => string;
  readonly homeDir: string;
  readonly hostName: string;
}

interface Given {
  /** Where it was given, as the reader knows it. */
  readonly from: string;
  readonly texts: readonly string[];
}

const fileTexts = (value: unknown): readonly string[] =>
  isRecord(value) ? Object.entries(value).map(([key, each]) => `${key}=${String(each)}`) : [String(value)];

/** Collects all problems instead of stopping at the first. */
export class SettingReader {
  readonly problems: string[];
  readonly #sources: SettingSources;
  #file: Fields = {};
  constructor(sources: SettingSources) {
    this.#sources = sources;
    this.problems = [...sources.flags.problems];
  }

  /** The file's keys are settings, too; an unknown one is a problem. */
  useFile(): void {
    const path = this.text('config', (text) => text, 'a file');
    if (path === undefined) return;
    let parsed: unknown;
    try {
      parsed = JSON.parse(this.#sources.readFile(path));
    } catch {
      parsed = undefined;
    }
    if (!isRecord(parsed)) {
      this.problems.push(
        `--config: expected a readable file with a JSON object, got something else at ${path}`,
      );
      return;
    }
    for (const key of Object.keys(parsed)) {
      if (!isSettingName(key) || key === 'config') {
        this.problems.push(`${path}: expected known keys (${settingNames.join(', ')}), got "${key}"`);
      }
    }
    this.#file = parsed;
  }

  /** Flag, variable, file: the order of precedence, first one first. */
  given(name: SettingName): readonly Given[] {
    const { flags, environment } = this.#sources;
    const variable = environment[variableOf(name)];
    const inFile = this.#file[name];
    return [
      ...(flags.values.has(name) ? [{ from: `--${name}`, texts: flags.values.get(name) ?? [] }] : []),
      ...(variable === undefined || variable === ''
        ? []
        : [{ from: `${variableOf(name)} (--${name})`, texts: [variable] }]),
      ...(inFile === undefined
        ? []
        : [{ from: `key ${name} of the configuration file (--${name})`, texts: fileTexts(inFile) }]),
    ];
  }

  /** The value that counts, or undefined when it was not given or is a problem. */
  text<T>(
    name: SettingName,
    parse: (text: string) => T | undefined,
    expected: string,
    isSecret = false,
  ): T | undefined {
    const [first] = this.given(name);
    if (first === undefined) return undefined;
    const text = first.texts[0] ?? '';
    const value = parse(text);
    if (value === undefined) {
      const shown = isSecret ? `${text.length} characters` : JSON.stringify(text.slice(0, 100));
      this.problems.push(`${first.from}: expected ${expected}, got ${shown}`);
    }
    return value;
  }

  /** The content of the file that a setting names. */
  file(
    name: SettingName,
    parse: (content: string) => string | undefined,
    expected: string,
  ): string | undefined {
    const path = this.text(name, (text) => text, 'a file');
    if (path === undefined) return undefined;
    let content: string | undefined;
    try {
      content = parse(this.#sources.readFile(path));
    } catch {
      content = undefined;
    }
    if (content === undefined)
      this.problems.push(`--${name}: expected a readable file with ${expected}, got ${path}`);
    return content;
  }
}
