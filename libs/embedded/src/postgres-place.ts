import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile, readlink, realpath, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { type Account, isReachable } from './account.ts';
import { withoutCode } from './file-errors.ts';
import { claimData } from './owner.ts';
import { systemFolder } from './system-folder.ts';

/**
 * Where a cluster's files are. `requested` is what the caller named; `data` is where the data are, the same place
 * unless the server's account cannot reach it: then `requested` is a symbolic link.
 */
export interface PostgresPlace {
  readonly requested: string;
  readonly data: string;
  readonly passwordFile: string;
  readonly logFile: string;
  readonly ownerFile: string;
}

const placeAt = (requested: string, data: string): PostgresPlace => ({
  requested,
  data,
  passwordFile: `${requested}.password`,
  logFile: `${requested}.log`,
  ownerFile: `${data}.owner.json`,
});

const exists = async (path: string): Promise<boolean> =>
  (await stat(path).catch(withoutCode('ENOENT'))) !== undefined;

/** Stops the server of a dead starter before its data are deleted; those of a living one stay. */
const claimIfThere = async (place: PostgresPlace): Promise<void> => {
  if (await exists(dirname(place.data))) await claimData(place.ownerFile, place.data);
};

/**
 * Data of an earlier project in the same folder stay only if their password is still there: without it nobody
 * could read them, and whoever deleted both wanted a new beginning.
 */
const linkElsewhere = async (requested: string): Promise<PostgresPlace> => {
  const name = createHash('sha256').update(requested).digest('hex').slice(0, 16);
  const folder = join(await systemFolder(), `data-${name}`);
  const place = placeAt(requested, join(folder, 'data'));
  if (!(await exists(place.passwordFile))) {
    await claimIfThere(place);
    await rm(folder, { recursive: true, force: true });
  }
  await mkdir(folder, { recursive: true, mode: 0o755 });
  return place;
};

/** Leaves a link at the requested place when the data are elsewhere; called once the data are complete. */
export const linkRequested = async (place: PostgresPlace): Promise<void> => {
  if (place.data === place.requested) return;
  await symlink(place.data, place.requested).catch(withoutCode('EEXIST'));
};

/**
 * Decides where the data of `dataDir` are.
 *
 * @throws Error the place is a link to data that are gone: the caller has to say that they may be given up
 */
export const placePostgres = async (
  dataDir: string,
  account: Account | undefined,
): Promise<PostgresPlace> => {
  const wanted = resolve(dataDir);
  await mkdir(dirname(wanted), { recursive: true });
  const requested = join(await realpath(dirname(wanted)), basename(wanted));
  const target = await readlink(requested).catch(withoutCode('ENOENT', 'EINVAL'));
  if (target !== undefined) {
    const place = placeAt(requested, resolve(dirname(requested), target));
    if ((await exists(place.passwordFile)) && !(await exists(place.data))) {
      throw new Error(
        `expected data at ${place.data}, to which ${requested} is a link, got nothing there; ` +
          `delete ${requested} and ${place.passwordFile} to begin with an empty database`,
      );
    }
    return place;
  }
  if (account === undefined || (await isReachable(dirname(requested))) || (await exists(requested))) {
    return placeAt(requested, requested);
  }
  return linkElsewhere(requested);
};

/** The superuser's password, made at the first call. To be called by the process that has claimed the data only. */
export const keptPassword = async (place: PostgresPlace): Promise<string> => {
  const kept = await readFile(place.passwordFile, 'utf8').catch(withoutCode('ENOENT'));
  if (kept !== undefined) return kept.trim();
  if (await exists(join(place.data, 'PG_VERSION'))) {
    throw new Error(`expected the password of ${place.requested} in ${place.passwordFile}, got no such file`);
  }
  const password = randomBytes(24).toString('hex');
  await writeFile(`${place.passwordFile}.new`, `${password}\n`, { mode: 0o600 });
  await rename(`${place.passwordFile}.new`, place.passwordFile);
  return password;
};
