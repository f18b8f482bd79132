import { type Look, leaseLook, lookAt, readerLooks, schemaLook, seconds } from '@signalbox/checks';
import { type Kit, releaseVersion } from '@signalbox/service-kit';
import type { Pool } from 'pg';
import type { Gateway } from './app.module.ts';
import { countVersions } from './tables/agents.ts';
import { migrations } from './tables/migrations.ts';
import { projector } from './tables/open-assignments.ts';

/** An agent of another release is served; one that is much older may lack what a job asks for. */
const versionLook = (pool: Pool): Look =>
  lookAt(
    {
      id: 'agents.version',
      title: 'Release of the agents',
      wanted: `${releaseVersion}, that of the services`,
      advice:
        'Put the new agent file on the devices and start the agents again; their credentials and journals stay.',
    },
    async () => {
      const versions = await countVersions(pool);
      const others = versions.filter(({ version }) => version !== releaseVersion);
      const shown = versions.map(({ version, count }) => `${count} of ${version}`).join(', ');
      return [others.length === 0 ? 'ok' : 'warn', shown === '' ? 'no agents' : shown];
    },
  );

const beatLimitMs = 5_000;

/** While no gateway beats no lease expires: a device that is gone keeps its attempt. */
const heartbeatLook = (pool: Pool): Look =>
  lookAt(
    {
      id: 'gateway.heartbeat',
      title: 'Heartbeat of the gateways',
      wanted: `younger than ${seconds(beatLimitMs)}`,
      advice: 'No gateway can write to Postgres, or none runs: look into their logs.',
    },
    async () => {
      const { rows } = await pool.query<{ ms: string }>(
        `select (extract(epoch from now() - at) * 1000)::bigint as ms from gateway.heartbeat where name = 'gateways'`,
      );
      const [row] = rows;
      if (row === undefined) return ['fail', 'none'];
      return [Number(row.ms) > beatLimitMs ? 'fail' : 'ok', `${seconds(Number(row.ms))} ago`];
    },
  );

/** Tomorrow's partition is made a day ahead, so that no output waits for it. */
const partitionLook = (pool: Pool): Look =>
  lookAt(
    {
      id: 'output.partitions',
      title: 'Partitions of the output',
      wanted: 'those of today and tomorrow',
      advice:
        'Look for "partition of the output was not made" in the log of the gateway; output still finds its day, but later.',
    },
    async () => {
      const { rows } = await pool.query<{ days: string; ahead: string }>(
        `select count(*) as days,
                count(*) filter (where c.relname in (
                  'output_' || to_char(now() at time zone 'utc', 'YYYYMMDD'),
                  'output_' || to_char(now() at time zone 'utc' + interval '1 day', 'YYYYMMDD'))) as ahead
         from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'gateway.output'::regclass`,
      );
      const { days = '0', ahead = '0' } = rows[0] ?? {};
      return [ahead === '2' ? 'ok' : 'warn', `${days} day(s), ${ahead} of the 2 wanted`];
    },
  );

/** What the gateway looks at for all. */
export const looks = ({ pool, store, state }: Gateway, kit: Kit): readonly Look[] => {
  const nowMs = (): number => kit.clock.nowMs();
  return [
    ...readerLooks({ state, store, nowMs, parkedAs: 'gateway' }),
    leaseLook(pool, projector),
    leaseLook(pool, 'gateway-sweep'),
    schemaLook(pool, { schema: 'gateway', migrations: migrations.map(({ id }) => id) }),
    versionLook(pool),
    heartbeatLook(pool),
    partitionLook(pool),
  ];
};
