import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { withoutCode } from './file-errors.ts';

/** One entry of apt's sources: fields of the deb822 format by lower-case name. */
export type AptSource = ReadonlyMap<string, string>;

/** Names of one-line options in the deb822 format. */
const optionNames: Readonly<Record<string, string>> = { arch: 'architectures', 'signed-by': 'signed-by' };

/** `deb [arch=amd64 signed-by=/k.gpg] http://mirror/debian bookworm main` */
const parseLine = (line: string): AptSource | undefined => {
  const [, type, options = '', uri, suite, components] =
    /^\s*(deb)\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s*([^#]*)/.exec(line) ?? [];
  if (type === undefined || uri === undefined || suite === undefined) return undefined;
  const source = new Map([
    ['types', type],
    ['uris', uri],
    ['suites', suite],
    ['components', (components ?? '').trim()],
  ]);
  for (const option of options.trim().split(/\s+/)) {
    const [name = '', value = ''] = option.split('=');
    const field = optionNames[name];
    if (field !== undefined) source.set(field, value.replaceAll(',', ' '));
  }
  return source;
};

/** One paragraph of a `.sources` file; a value goes on in the lines that begin with a blank. */
const parseParagraph = (paragraph: string): AptSource => {
  const source = new Map<string, string>();
  let field = '';
  for (const line of paragraph.split('\n')) {
    if (line.startsWith('#') || line === '') continue;
    const [, name, value = ''] = /^([^\s:]+):\s*(.*)$/.exec(line) ?? [];
    if (name === undefined) {
      source.set(field, `${source.get(field) ?? ''}\n${line}`);
    } else {
      field = name.toLowerCase();
      source.set(field, value.trim());
    }
  }
  return source;
};

const isForBinaries = (source: AptSource): boolean =>
  source.has('uris') &&
  words(source, 'types').includes('deb') &&
  source.get('enabled')?.toLowerCase() !== 'no';

/** Entries of binary packages in one file, whose format its name tells. */
export const parseSources = (text: string, isDeb822: boolean): AptSource[] => {
  const sources = isDeb822
    ? text
        .replaceAll('\r', '')
        .split(/\n\s*\n/)
        .map(parseParagraph)
    : text.split('\n').map(parseLine);
  return sources.filter((source) => source !== undefined).filter(isForBinaries);
};

/** Words of a field; empty when the field is missing. */
export const words = (source: AptSource, field: string): string[] =>
  (source.get(field) ?? '').split(/\s+/).filter((word) => word !== '');

/** All entries that this machine's apt reads, from `/etc/apt`. */
export const readSources = async (etc = '/etc/apt'): Promise<AptSource[]> => {
  const names = (await readdir(join(etc, 'sources.list.d')).catch(withoutCode('ENOENT'))) ?? [];
  const files = [
    join(etc, 'sources.list'),
    ...names
      .filter((name) => /\.(list|sources)$/.test(name))
      .map((name) => join(etc, 'sources.list.d', name)),
  ];
  const found: AptSource[] = [];
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch(withoutCode('ENOENT', 'EACCES'));
    if (text !== undefined) found.push(...parseSources(text, file.endsWith('.sources')));
  }
  return found;
};

/**
 * The entries that hold a release's own packages, as a `.sources` file for another release (or the same): from the same
 * mirrors, checked with the same keys. Empty when there is none.
 */
export const sourcesFor = (sources: readonly AptSource[], codename: string, suite: string): string =>
  sources
    .filter((source) => words(source, 'suites').includes(codename))
    .map((source) =>
      [
        'Types: deb',
        `URIs: ${source.get('uris') ?? ''}`,
        `Suites: ${suite}`,
        `Components: ${source.get('components') ?? ''}`,
        ...['signed-by', 'architectures']
          .filter((field) => source.has(field))
          .map((field) => `${field}: ${source.get(field) ?? ''}`),
        '',
      ].join('\n'),
    )
    .join('\n');
