import { type Migration, migrate } from '@signalbox/postgres';
import type pg from 'pg';

const migrations: readonly Migration[] = [
  {
    id: '001-replicas',
    sql: `create table signalbox.replicas (
            replica text primary key,
            service text not null,
            host text not null,
            started_at timestamptz not null,
            seen_at timestamptz not null
          ) with (fillfactor = 50)`,
  },
];

const beatMs = 5_000;
/** For so long a replica that ended without a word is missed. */
const missedFor = `interval '15 minutes'`;

export interface Presence {
  readonly service: string;
  readonly replica: string;
  readonly host: string;
}

/** Writes that a replica lives, every five seconds; takes it back at an orderly stop. */
export const announce = async (
  pool: pg.Pool,
  { service, replica, host }: Presence,
  onError: (error: unknown) => void,
): Promise<() => Promise<void>> => {
  await migrate(pool, 'signalbox', migrations);
  const beat = async (): Promise<void> => {
    await pool.query({
      name: 'signalbox.replica-beat',
      text: `insert into signalbox.replicas (replica, service, host, started_at, seen_at)
             values ($1, $2, $3, now(), now())
             on conflict (replica) do update set seen_at = now()`,
      values: [replica, service, host],
    });
  };
  await beat();
  await pool.query(`delete from signalbox.replicas where seen_at < now() - ${missedFor}`);
  let running: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    running = beat().catch(onError);
  }, beatMs);
  return async () => {
    clearInterval(timer);
    await running;
    await pool.query('delete from signalbox.replicas where replica = $1', [replica]);
  };
};

/** A replica that has said that it lives, and has not said that it stops. */
export interface Announced extends Presence {
  readonly seenAgoMs: number;
}

export const announced = async (pool: pg.Pool): Promise<readonly Announced[]> => {
  const { rows } = await pool.query<Presence & { ms: string }>(
    `select service, replica, host, (extract(epoch from now() - seen_at) * 1000)::bigint as ms
     from signalbox.replicas where seen_at > now() - ${missedFor} order by service, replica`,
  );
  return rows.map(({ ms, ...row }) => ({ ...row, seenAgoMs: Number(ms) }));
};
