import { statfs } from 'node:fs/promises';
import type pg from 'pg';
import { type Finding, type Look, beyond, bytes, finding, lookAt, seconds } from './check.ts';

const lowestVersion = 15;
const gibibyte = 1024 ** 3;

const one = async <T extends pg.QueryResultRow>(
  pool: pg.Pool,
  text: string,
  values: unknown[] = [],
): Promise<T> => {
  const { rows } = await pool.query<T>(text, values);
  const [row] = rows;
  if (row === undefined) throw new Error('expected a row from Postgres, got none');
  return row;
};

const version = (pool: pg.Pool): Look =>
  lookAt(
    {
      id: 'postgres.version',
      title: 'Version of Postgres',
      wanted: `${lowestVersion} or newer`,
      advice: 'Upgrade Postgres with pg_upgrade or a dump; take a backup before.',
    },
    async () => {
      const { number, text } = await one<{ number: number; text: string }>(
        pool,
        `select current_setting('server_version_num')::int as number, current_setting('server_version') as text`,
      );
      return [number >= lowestVersion * 10_000 ? 'ok' : 'fail', text];
    },
  );

const size = (pool: pg.Pool): Look =>
  lookAt(
    {
      id: 'postgres.size',
      title: 'Size of the database',
      wanted: 'known; events and output are never removed',
      advice: 'Ask the database whether it answers.',
    },
    async () => {
      const row = await one<{ size: string }>(pool, 'select pg_database_size(current_database()) as size');
      return ['ok', bytes(Number(row.size))];
    },
  );

/** Free space of a folder, when it is on this machine. */
const judgeFreeSpace = async (folder: string): Promise<readonly ['ok' | 'warn' | 'fail', string]> => {
  const { bavail, blocks, bsize } = await statfs(folder);
  const free = bavail * bsize;
  const percent = Math.round((bavail / blocks) * 100);
  const status = free < gibibyte / 2 ? 'fail' : free < 2 * gibibyte && percent < 10 ? 'warn' : 'ok';
  return [status, `${bytes(free)} free (${percent} %)`];
};

const freeSpace = {
  id: 'postgres.disk',
  title: 'Free space of Postgres',
  wanted: 'at least 512 MiB free; 2 GiB or 10 % to be at ease',
  advice: 'Give it more space or remove what is not needed: without space nothing is accepted.',
};

/** Free space is known only where Postgres runs on this machine and lets us see its folder. */
const disk = (pool: pg.Pool): Look =>
  lookAt(freeSpace, async () => {
    const { folder } = await one<{ folder: string | null }>(
      pool,
      `select case when coalesce(inet_server_addr() <<= '127.0.0.0/8' or inet_server_addr() = '::1', true)
                    and pg_has_role(current_user, 'pg_read_all_settings', 'usage')
              then current_setting('data_directory') end as folder`,
    );
    if (folder === null)
      return ['ok', 'not visible from here: Postgres is on another machine; watch its disk there'];
    return judgeFreeSpace(folder);
  });

const skewLimits = { warn: 500, fail: 1_000 };

/** The clock of this replica against the database's: half of the round trip is taken off, in our favour. */
export const clockLook = (pool: pg.Pool, nowMs: () => number): Look =>
  lookAt(
    {
      id: 'clock.postgres',
      title: 'Clock against Postgres',
      wanted: 'less than 1 s apart',
      advice: 'Let NTP (chrony, systemd-timesyncd) set the clocks of this machine and of Postgres.',
      isLocal: true,
    },
    async () => {
      const before = nowMs();
      const row = await one<{ now_ms: string }>(
        pool,
        'select (extract(epoch from clock_timestamp()) * 1000)::bigint as now_ms',
      );
      const after = nowMs();
      const apart = (before + after) / 2 - Number(row.now_ms);
      const sure = Math.max(0, Math.abs(apart) - (after - before) / 2);
      return [beyond(sure, skewLimits), `${seconds(Math.abs(apart))} ${apart < 0 ? 'behind' : 'ahead'}`];
    },
  );

/** What one service looks at for all: the server. */
export const postgresLooks = (pool: pg.Pool): readonly Look[] => [version(pool), size(pool), disk(pool)];

export interface SchemaWanted {
  readonly schema: string;
  /** Ids of the migrations that this release knows. */
  readonly migrations: readonly string[];
  /** Column of `<schema>.migrations` with the id: `id`, or `name` where TypeORM keeps it. */
  readonly column?: 'id' | 'name';
}

/** Whether a schema is where this release expects it: behind after a restore, ahead after a roll-back. */
export const schemaLook = (pool: pg.Pool, { schema, migrations, column = 'id' }: SchemaWanted): Look => {
  const subject = {
    id: `migrations.${schema}`,
    title: `Schema ${schema}`,
    wanted: `${migrations.length} migration(s), the last is ${migrations.at(-1) ?? 'none'}`,
    advice:
      'Start a replica of the service anew: it migrates at start. If that fails, see docs/operations/backup.md: the database is an older backup.',
  };
  const ahead = {
    ...subject,
    advice: 'A newer release has changed the schema: bring all replicas to that release.',
  };
  const look = async (): Promise<readonly Finding[]> => {
    const { exists } = await one<{ exists: boolean }>(pool, 'select to_regclass($1) is not null as exists', [
      `${schema}.migrations`,
    ]);
    if (!exists) return [finding(subject, 'fail', 'no such schema')];
    const { rows } = await pool.query<{ id: string }>(`select ${column} as id from ${schema}.migrations`);
    const applied = new Set(rows.map(({ id }) => id));
    const missing = migrations.filter((id) => !applied.has(id));
    if (missing.length > 0) return [finding(subject, 'fail', `missing: ${missing.join(', ')}`)];
    const unknown = [...applied].filter((id) => !migrations.includes(id));
    if (unknown.length > 0) return [finding(ahead, 'warn', `unknown to this release: ${unknown.join(', ')}`)];
    return [finding(subject, 'ok', `${applied.size} applied`)];
  };
  return { subject, look };
};

/** Who holds a lease row: nobody means that what it leads runs nowhere. */
export const leaseLook = (pool: pg.Pool, name: string): Look =>
  lookAt(
    {
      id: `lease.${name}`,
      title: `Who leads ${name}`,
      wanted: 'one replica',
      advice: `Nothing runs that ${name} does. Look for "leadership failed" in the log of its service, and whether it runs at all.`,
    },
    async () => {
      const { rows } = await pool.query<{ holder: string; held: boolean; ms: string }>(
        `select holder, until > now() as held,
                (extract(epoch from now() - until) * 1000)::bigint as ms from signalbox.leases where name = $1`,
        [name],
      );
      const [row] = rows;
      if (row === undefined) return ['fail', 'nobody'];
      return row.held ? ['ok', row.holder] : ['fail', `nobody for ${seconds(Number(row.ms))}`];
    },
  );
