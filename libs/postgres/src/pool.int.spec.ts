import { createDatabase, eventually, type TestDatabase } from '@signalbox/testkit';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import { MigrationChanged, migrate, openPool, transaction, withSchemaReady } from './index.ts';

describe('pool, transactions and migrations', () => {
  let database: TestDatabase;
  let pool: pg.Pool;
  const broken: Error[] = [];

  beforeAll(async () => {
    database = await createDatabase();
    const url = `${database.url}?options=-c%20synchronous_commit%3Don`;
    pool = openPool({ url, applicationName: 'spec', onError: (error) => broken.push(error) });
    await pool.query('create table note (text text primary key)');
  });
  afterAll(async () => {
    await pool.end();
    await database.drop();
  });

  const notes = async (): Promise<readonly string[]> =>
    (await pool.query<{ text: string }>('select text from note order by text')).rows.map(({ text }) => text);

  it('refuses a URL it cannot use without repeating it', () => {
    for (const url of ['mysql://user:hunter2@host/db', 'host=x password=hunter2', '']) {
      expect(() => openPool({ url, applicationName: 'spec' })).toThrow('expected a connection URL');
      expect(() => openPool({ url, applicationName: 'spec' })).not.toThrow('hunter2');
    }
  });

  it('tells of every statement: of the pool, of a transaction, and of one that fails', async () => {
    const heard: string[] = [];
    const observed = openPool({
      url: database.url,
      applicationName: 'spec',
      onQuery: (statement, durationMs, error) => {
        expect(durationMs).toBeGreaterThan(0);
        const code = error instanceof Error && 'code' in error ? error.code : 'ok';
        heard.push(`${statement} ${String(code)}`);
      },
    });
    try {
      expect((await observed.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
      expect((await observed.query({ name: 'n', text: 'select $1::int as n', values: [2] })).rows).toEqual([
        { n: 2 },
      ]);
      await transaction(observed, (client) => client.query('select 3'));
      await expect(observed.query('select nothing')).rejects.toMatchObject({ code: '42703' });
    } finally {
      await observed.end();
    }
    expect(heard).toEqual([
      'select 1 as one ok',
      'select $1::int as n ok',
      'begin ok',
      'select 3 ok',
      'commit ok',
      'select nothing 42703',
    ]);
  });

  it('commits when the work resolves and rolls back when it throws', async () => {
    await transaction(pool, (client) => client.query(`insert into note values ('kept')`));
    const work = transaction(pool, async (client) => {
      await client.query(`insert into note values ('lost')`);
      throw new Error('changed my mind');
    });
    await expect(work).rejects.toThrow('changed my mind');
    expect(await notes()).toEqual(['kept']);
  });

  it('does not call a transaction committed in which a failed statement was ignored', async () => {
    const work = transaction(pool, async (client) => {
      await client.query(`insert into note values ('half')`);
      await client.query('select 1 / 0').catch(() => undefined);
    });
    await expect(work).rejects.toThrow('expected COMMIT, got ROLLBACK');
    expect(await notes()).not.toContain('half');
  });

  it('relaxes the commit of a transaction that need not be durable, and of no other', async () => {
    const setting = async (client: pg.PoolClient): Promise<unknown> =>
      (await client.query<{ synchronous_commit: string }>('show synchronous_commit')).rows[0]
        ?.synchronous_commit;
    expect(await transaction(pool, setting, { durable: false })).toBe('off');
    expect(await transaction(pool, setting)).not.toBe('off');
  });

  it('outlives connections that are killed, idle or between two statements, and gives all back', async () => {
    const work = transaction(pool, async (client) => {
      const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
      await pool.query('select pg_terminate_backend($1)', [rows[0]?.pid]);
      await eventually(() =>
        client.query('select 1').then(
          () => null,
          () => true,
        ),
      );
      await client.query(`insert into note values ('never')`);
    });
    await expect(work).rejects.toThrow();
    await Promise.all([pool.query('select pg_sleep(0.01)'), pool.query('select pg_sleep(0.01)')]);
    await pool.query(
      'select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database()',
    );
    await eventually(() => broken.length > 0);
    expect(await notes()).not.toContain('never');
    expect(pool.idleCount).toBe(pool.totalCount);
  });

  it('applies each migration once although many processes start at once, in order and recorded', async () => {
    const migrations = [
      { id: '001', sql: 'create table counted.step (n int); insert into counted.step values (1)' },
      { id: '002', sql: 'insert into counted.step select max(n) + 1 from counted.step' },
    ];
    const pools = Array.from({ length: 5 }, () =>
      openPool({ url: database.url, applicationName: 'migrator' }),
    );
    const applied = await Promise.all(pools.map((one) => migrate(one, 'counted', migrations)));
    await Promise.all(pools.map((one) => one.end()));
    expect(applied.flat()).toEqual(['001', '002']);
    expect((await pool.query('select n from counted.step order by n')).rows).toEqual([{ n: 1 }, { n: 2 }]);
  });

  it('applies nothing when one of the missing migrations fails, nor when an applied one has changed', async () => {
    const good = { id: '001', sql: 'create table whole.a (n int)' };
    const bad = { id: '002', sql: 'create table whole.b (n int); select nonsense' };
    await expect(migrate(pool, 'whole', [good, bad])).rejects.toThrow('nonsense');
    expect(await migrate(pool, 'whole', [good])).toEqual(['001']);
    const changed = [
      { ...good, sql: 'create table whole.c (n int)' },
      { id: '002', sql: 'create table whole.b (n int)' },
    ];
    await expect(migrate(pool, 'whole', changed)).rejects.toBeInstanceOf(MigrationChanged);
    expect(await migrate(pool, 'whole', [])).toEqual([]);
    await expect(pool.query('select * from whole.b')).rejects.toThrow('does not exist');
  });

  it('finds a schema that was created while it waited, also the one of its search path', async () => {
    // A connection that has created schemas before has in its caches that its user's own schema did not exist.
    const user = new URL(database.url).username;
    const warm = openPool({ url: database.url, max: 1, applicationName: 'spec' });
    const creating = await pool.connect();
    try {
      await migrate(warm, 'another', []);
      await creating.query('begin');
      await creating.query(`select pg_advisory_xact_lock(hashtextextended('signalbox create schema', 0))`);
      const migrated = migrate(warm, user, []);
      await eventually(async () => {
        const { rowCount } = await pool.query(
          `select from pg_locks where locktype = 'advisory' and not granted`,
        );
        return rowCount === 1;
      });
      await creating.query(`create schema ${user}`);
      await creating.query('commit');
      expect(await migrated).toEqual([]);
    } finally {
      creating.release();
      await warm.end();
    }
  });

  it('refuses the name of a schema that would need quoting', async () => {
    await expect(migrate(pool, 'a"; drop table note; --', [])).rejects.toThrow('expected a schema name');
  });

  it('prepares a schema in one process at a time, with migrations of our own inside', async () => {
    let inside = 0;
    let most = 0;
    const work = async (): Promise<void> => {
      most = Math.max(most, (inside += 1));
      await pool.query('create table if not exists prepared.thing (n int)');
      await migrate(pool, 'prepared', []);
      inside -= 1;
    };
    await Promise.all([1, 2, 3].map(() => withSchemaReady(pool, 'prepared', work)));
    expect(most).toBe(1);
  });
});
