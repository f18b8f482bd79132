import { execFile } from 'node:child_process';
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { readSources, sourcesFor } from './apt-sources.ts';
import { withoutCode } from './file-errors.ts';

const run = promisify(execFile);
const updateTimeoutMs = 180_000;

/** Value of a field of `/etc/os-release`, such as `ID`; undefined on other systems. */
export const osRelease = async (field: string): Promise<string | undefined> => {
  const text = (await readFile('/etc/os-release', 'utf8').catch(withoutCode('ENOENT'))) ?? '';
  return new RegExp(`^${field}="?([^"\\n]*)"?$`, 'm').exec(text)?.[1];
};

/** apt and dpkg-deb call further programs, such as gpgv and tar; without them a signature counts as missing. */
const searchPath = (): string =>
  [
    process.env['PATH'] ?? '',
    '/usr/local/sbin',
    '/usr/local/bin',
    '/usr/sbin',
    '/usr/bin',
    '/sbin',
    '/bin',
  ].join(':');

/** Keeps lists, packages and locks in `dir`; only the machine's keys and the list of what is installed are read. */
const privateOptions = (dir: string, sources: string): string[] =>
  [
    `Dir::Etc::sourcelist=${sources}`,
    'Dir::Etc::sourceparts=-',
    `Dir::State=${join(dir, 'state')}`,
    `Dir::State::lists=${join(dir, 'lists')}`,
    `Dir::Cache=${join(dir, 'cache')}`,
    'Acquire::Languages=none',
    'Acquire::Retries=2',
    'Acquire::http::Timeout=20',
    'Acquire::https::Timeout=20',
    'Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false',
    'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false',
    ...(process.getuid?.() === 0 ? ['APT::Sandbox::User=root'] : []),
  ].flatMap((option) => ['-o', option]);

/**
 * Downloads a package of a Debian or Ubuntu release with apt, which checks its signature, and unpacks it under `dir`,
 * without a change to the system and without being root.
 *
 * @param suite name of the release; undefined: this machine's own
 * @returns the folder with the package's files
 * @throws Error apt has no mirror of this release, does not reach it, or finds no such package
 */
export const downloadPackage = async (name: string, dir: string, suite?: string): Promise<string> => {
  const codename = (await osRelease('VERSION_CODENAME')) ?? '';
  const text = sourcesFor(await readSources(), codename, suite ?? codename);
  if (text === '') throw new Error(`expected a mirror of ${codename} in /etc/apt, got none`);
  const sources = join(dir, 'signalbox.sources');
  await writeFile(sources, text);
  for (const folder of ['state', 'lists/partial', 'cache/archives/partial', 'download', 'files']) {
    await mkdir(join(dir, folder), { recursive: true });
  }
  const options = privateOptions(dir, sources);
  const settings = {
    cwd: join(dir, 'download'),
    env: { ...process.env, PATH: searchPath(), LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
    timeout: updateTimeoutMs,
    maxBuffer: 16 * 1024 * 1024,
  };
  await run('apt-get', [...options, '-qq', 'update'], settings);
  await run('apt-get', [...options, '-qq', 'download', name], settings);
  const file = (await readdir(settings.cwd)).find((entry) => entry.endsWith('.deb'));
  if (file === undefined) throw new Error(`expected apt to download ${name}, got no file`);
  await run('dpkg-deb', ['-x', join(settings.cwd, file), join(dir, 'files')], settings);
  return join(dir, 'files');
};
