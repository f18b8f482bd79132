import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type EventStore } from '@signalbox/event-store';
import { openPostgresEventStore } from '@signalbox/event-store-postgres';
import { openPool } from '@signalbox/postgres';
import { eventually, newEvent } from '@signalbox/testkit';
import type { SystemCheck, SystemReport } from '@signalbox/contracts';
import { doctor } from '@signalbox/tools/doctor';
import { startReplica } from './src/replica.ts';
import { type Stack, openStack } from './src/stack.ts';

let stack: Stack;
beforeAll(async () => {
  stack = await openStack({ separate: true });
});
afterAll(() => stack.close());

const report = async (): Promise<SystemReport> =>
  (await doctor({ url: stack.system.apiUrl, key: stack.system.adminKey })).report;

/** Everything that is not ok, by id. */
const bad = async (): Promise<Map<string, SystemCheck>> =>
  new Map((await report()).checks.filter(({ status }) => status !== 'ok').map((each) => [each.id, each]));

const becomesWell = (): Promise<void> =>
  eventually(async () => expect([...(await bad()).keys()]).toEqual([]), { timeoutMs: 30_000 });

const program = (name: string) => {
  const found = stack.system.programs.get(name);
  if (found === undefined) throw new Error(`expected a program ${name}, got none`);
  return found;
};

const expectFailure = async (id: string, found: RegExp, advice: RegExp): Promise<void> => {
  const check = await eventually(async () => (await bad()).get(id) ?? false, { timeoutMs: 20_000 });
  expect(check).toMatchObject({
    status: 'fail',
    found: expect.stringMatching(found),
    advice: expect.stringMatching(advice),
  });
};

const withStore = async (work: (store: EventStore) => Promise<void>): Promise<void> => {
  const pool = openPool({ url: stack.system.databaseUrl, applicationName: 'spec' });
  try {
    await work(await openPostgresEventStore({ pool }));
  } finally {
    await pool.end();
  }
};

describe('a system', () => {
  it('that is well has every check, of every replica, and nothing to do', async () => {
    await becomesWell();
    const { checks, replicas, status } = await report();
    expect(status).toBe('ok');
    expect(replicas.map(({ service }) => service).toSorted()).toEqual([
      'api',
      'audit',
      'device-gateway',
      'dispatcher',
      'scheduler',
    ]);
    const ids = new Set(checks.map(({ id }) => id));
    for (const id of [
      ...['postgres.version', 'postgres.disk', 'nats.version', 'nats.jetstream', 'nats.storage'],
      ...['stream.config', 'stream.replicas', 'stream.sync', 'relay.lag', 'store', 'clock.postgres', 'ready'],
      ...['events', 'api', 'dispatcher', 'gateway', 'audit'].map((each) => `migrations.${each}`),
      ...['dispatcher', 'gateway-open', 'audit-projector'].flatMap((each) => [
        `reader.${each}.lag`,
        `reader.${each}.parked`,
        `lease.${each}`,
      ]),
      ...['lease.relay', 'lease.gateway-sweep', 'agents.version', 'gateway.heartbeat', 'output.partitions'],
    ])
      expect(ids).toContain(id);
  });

  it('shows its checks to administrators only', async () => {
    const { key } = (await stack.admin.post('/api/v1/keys', { name: 'viewer', roles: ['viewer'] })) as {
      key: string;
    };
    expect((await stack.client(key).request('GET', '/api/v1/system/checks')).status).toBe(403);
  });
});

describe('a fault is named, with what to do', () => {
  it('a dispatcher that hangs', async () => {
    await program('dispatcher').kill('SIGSTOP');
    await expectFailure('replicas.dispatcher', /^0 answered/, /start it/);
    await expectFailure('replica.silent', /last heartbeat/, /hangs/);
    await program('dispatcher').kill('SIGCONT');
    await becomesWell();
  });

  it('a dispatcher that was stopped', async () => {
    await program('dispatcher').stop();
    await expectFailure('replicas.dispatcher', /^0 answered/, /start it/);
    expect((await bad()).has('replica.silent')).toBe(false);
    await program('dispatcher').start();
    await becomesWell();
  });

  it('a replica with another clock', async () => {
    const ahead = join(import.meta.dirname, 'src', 'clock-ahead.mjs');
    const replica = await startReplica(stack, 'audit', 'SIGNALBOX_AUDIT_PORT', ['--import', ahead]);
    await expectFailure('clock.postgres', /^3600 s ahead/, /NTP/);
    await expectFailure('clock.replica', /^at least 36\d\d s away/, /NTP/);
    await replica.stop();
    await becomesWell();
  });

  it('a schema that is behind', async () => {
    const [row] = await stack.inside('delete from dispatcher.migrations returning id, checksum');
    await expectFailure('migrations.dispatcher', /missing: 001-queue/, /migrates at start/);
    await stack.inside('insert into dispatcher.migrations (id, checksum) values ($1, $2)', [
      row?.['id'],
      row?.['checksum'],
    ]);
    await becomesWell();
  });

  it('a parked event', async () => {
    await withStore(async (store) => {
      await store.append('job-of-the-future', 0, [newEvent({ type: 'JobCreated', version: 99 })]);
    });
    await expectFailure('reader.audit-projector.parked', /job-of-the-future/, /parked -- audit redrive/);
    await expectFailure('reader.dispatcher.parked', /job-of-the-future/, /parked -- dispatcher redrive/);
    await expectFailure('ready', /parked/, /log/);
    for (const schema of ['audit', 'dispatcher', 'gateway'])
      await stack.inside(`delete from ${schema}.parked`);
    // Running readers notice it. What a gateway's memory could not take, only a new start can.
    await program('device-gateway').stop();
    await program('device-gateway').start();
    await becomesWell();
  });
});

describe('without a server', () => {
  const run = async (...args: string[]): Promise<{ code: number; stdout: string }> => {
    const file = join(import.meta.dirname, '../tools/doctor.ts');
    const env = { ...process.env, SIGNALBOX_API_KEY: stack.system.adminKey };
    try {
      const all = [file, '--url', stack.system.apiUrl, ...args];
      const { stdout } = await promisify(execFile)(process.execPath, all, { env });
      return { code: 0, stdout };
    } catch (error) {
      const { code, stdout } = error as { code: number; stdout: string };
      return { code, stdout };
    }
  };

  it('the command prints what is well and ends with 0', async () => {
    const { code, stdout } = await run();
    expect(stdout).toMatch(/ok {6}stream\.config +as wanted/);
    expect(code).toBe(0);
    expect((JSON.parse((await run('--json')).stdout) as SystemReport).status).toBe('ok');
  });

  it('NATS is away', async () => {
    await stack.system.nats?.stop();
    await expectFailure('nats.connection', /connection/, /start nats-server/);
    const { code, stdout } = await run();
    expect(code).toBe(2);
    expect(stdout).toMatch(/FAIL +nats\.connection[^]*do +NATS is away/);
    await stack.system.nats?.start();
    await becomesWell();
  });

  it('Postgres is away, and the key that counted is let in', async () => {
    await stack.system.postgres?.stop();
    await expectFailure('postgres.connection', /./, /start it/);
    expect((await stack.admin.request('GET', '/api/v1/keys')).status).toBe(503);
    expect((await run()).code).toBe(2);
    await stack.system.postgres?.start();
    await becomesWell();
  });

  it('the api is away', async () => {
    await program('api').stop();
    const { code, stdout } = await run();
    expect([code, stdout]).toEqual([2, expect.stringContaining('no answer from')]);
    await program('api').start();
  });
});
