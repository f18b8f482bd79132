/** What a run was made on and with: a figure means nothing without it. */
import { readFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import type { System } from '@signalbox/tools/system';
import { connectBus } from '@signalbox/bus-nats';
import { Client } from 'pg';

const loadNow = (): string => readFileSync('/proc/loadavg', 'utf8').split(' ')[0] ?? '?';

/** One line a fact. */
export const describeMachine = async ({ databaseUrl, natsUrl }: System): Promise<readonly string[]> => {
  const postgres = new Client({ connectionString: databaseUrl });
  await postgres.connect();
  const show = async (name: string): Promise<string> =>
    (await postgres.query<{ value: string }>('select current_setting($1) as value', [name])).rows[0]?.value ??
    '?';
  const names = ['fsync', 'synchronous_commit', 'shared_buffers', 'wal_sync_method', 'max_wal_size'];
  const settings: string[] = [];
  for (const name of names) settings.push(`${name} ${await show(name)}`);
  const version = await show('server_version');
  await postgres.end();
  const nc = await connectBus({ url: natsUrl, name: 'bench' });
  const nats = nc.info?.version ?? '?';
  await nc.close();
  const cpu = cpus();
  return [
    `machine: ${cpu.length} × ${cpu[0]?.model ?? 'unknown'}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, load ${loadNow()} at the start`,
    `versions: Node ${process.version}, Postgres ${version}, nats-server ${nats}`,
    `Postgres: ${settings.join(', ')}`,
  ];
};
