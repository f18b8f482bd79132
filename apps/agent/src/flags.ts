/** One setting: a flag `--<name>`, a variable `SIGNALBOX_<NAME>`, a key `<name>` of the configuration file. */
export interface SettingText {
  readonly name: string;
  /** What stands for the value in the help. */
  readonly value: string;
  readonly meaning: string;
}

export const settingTable = [
  {
    name: 'server',
    value: 'URL',
    meaning: 'Address of Signalbox: https, or http on this machine only. Default: the one enrolled at',
  },
  { name: 'token', value: 'TOKEN', meaning: 'One-time token for enrolment; of no use afterwards' },
  { name: 'token-file', value: 'FILE', meaning: 'File that holds the token' },
  { name: 'name', value: 'NAME', meaning: 'Name of this machine at enrolment. Default: its host name' },
  {
    name: 'state-dir',
    value: 'DIR',
    meaning:
      'Folder of the credential, the running attempt and its output. Default: ~/.local/state/signalbox-agent',
  },
  {
    name: 'property',
    value: 'KEY=VALUE',
    meaning:
      'Property of this machine at enrolment; may be given more than once (in the variable: separated by commas)',
  },
  { name: 'poll-wait', value: 'DURATION', meaning: 'How long one poll stays open, 0s to 60s. Default: 30s' },
  {
    name: 'drain',
    value: 'DURATION',
    meaning: 'How long a running attempt may go on after SIGTERM, up to 24h. Default: 30s',
  },
  {
    name: 'output-spool',
    value: 'SIZE',
    meaning:
      'Output kept on the disk while the server is away, 256KiB to 1024MiB; then more is dropped, and marked. Default: 64MiB',
  },
  {
    name: 'niceness',
    value: 'NUMBER',
    meaning: 'How much lower than the agent’s the CPU priority of steps is, 0 to 19. Default: 5',
  },
  {
    name: 'ca-file',
    value: 'FILE',
    meaning: 'Certificate authority in PEM to trust instead of those of the system',
  },
  {
    name: 'ca-fingerprint',
    value: 'sha256:HEX',
    meaning: 'SHA-256 of the certificate authority to fetch from the server and to trust from then on',
  },
  { name: 'log-level', value: 'LEVEL', meaning: 'debug, info, warn or error. Default: info' },
  {
    name: 'config',
    value: 'FILE',
    meaning: 'JSON file with settings; its keys are the names of these flags',
  },
] as const satisfies readonly SettingText[];

export type SettingName = (typeof settingTable)[number]['name'];

export const settingNames: readonly SettingName[] = settingTable.map((each) => each.name);

export const isSettingName = (name: string): name is SettingName =>
  settingNames.some((each) => each === name);

export const variableOf = (name: SettingName): string =>
  `SIGNALBOX_${name.toUpperCase().replaceAll('-', '_')}`;

/** What the command line says, before any value is checked. */
export interface Flags {
  readonly action: 'run' | 'help' | 'version';
  /** Values by flag, in the order given. */
  readonly values: ReadonlyMap<SettingName, readonly string[]>;
  readonly problems: readonly string[];
}

const knownFlags = [...settingNames, 'help', 'version'].map((name) => `--${name}`).join(', ');

/** Reads `--flag value` and `--flag=value`. Every unknown word is a problem that lists the known flags. */
export const parseFlags = (words: readonly string[]): Flags => {
  const values = new Map<SettingName, string[]>();
  const problems: string[] = [];
  let action: Flags['action'] = 'run';
  for (let index = 0; index < words.length; index += 1) {
    const [, name, given] = /^--([^=]+)(?:=(.*))?$/s.exec(words[index] ?? '') ?? [];
    if (name === 'help' || name === 'version') {
      action = name;
    } else if (name === undefined) {
      problems.push(
        `expected flags only, got a word of ${words[index]?.length ?? 0} characters; known flags: ${knownFlags}`,
      );
    } else if (!isSettingName(name)) {
      problems.push(`--${name}: expected a known flag; known flags: ${knownFlags}`);
    } else {
      const next = words[index + 1];
      const value = given ?? (next === undefined || next.startsWith('--') ? undefined : next);
      if (given === undefined && value !== undefined) index += 1;
      if (value === undefined) problems.push(`--${name}: expected a value, got none`);
      else values.set(name, [...(values.get(name) ?? []), value]);
    }
  }
  for (const [name, given] of values) {
    if (name !== 'property' && given.length > 1)
      problems.push(`--${name}: expected once, got ${given.length} times`);
  }
  return { action, values, problems };
};

export const helpText = (version: string): string =>
  [
    `signalbox-agent ${version}: runs the jobs of Signalbox on this machine`,
    '',
    'usage: signalbox-agent [flags]',
    '',
    ...settingTable.map((each) => `  --${each.name} ${each.value}\n      ${each.meaning}`),
    '  --version\n      Print the version',
    '  --help\n      Print this',
    '',
    'Each flag is also a variable, such as SIGNALBOX_STATE_DIR for --state-dir, and a key of the configuration file.',
    'A flag wins over a variable, a variable over the file.',
    '',
  ].join('\n');
