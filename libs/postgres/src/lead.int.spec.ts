import type { Leadership } from '@signalbox/event-store';
import { createDatabase, eventually, type TestDatabase } from '@signalbox/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import { lead, openLease, openPool, type PostgresLeaseRow, type Term } from './index.ts';

const lifeMs = 600;

describe('lease row and leading', () => {
  let database: TestDatabase;
  let pool: pg.Pool;
  let count = 0;
  const leaderships: Leadership[] = [];

  beforeAll(async () => {
    database = await createDatabase();
    pool = openPool({ url: database.url, applicationName: 'spec' });
  });
  afterEach(async () => {
    await Promise.all(leaderships.splice(0).map((one) => one.stop()));
  });
  afterAll(async () => {
    await pool.end();
    await database.drop();
  });

  const name = (): string => `lease ${(count += 1)}`;
  const open = (
    of: string,
    options: { lifeMs?: number; now?: () => number } = {},
  ): Promise<PostgresLeaseRow> => openLease({ pool, name: of, lifeMs, ...options });
  const holderOf = async (of: string): Promise<string | undefined> =>
    (
      await pool.query<{ holder: string }>(
        'select holder from signalbox.leases where name = $1 and until > now()',
        [of],
      )
    ).rows[0]?.holder;

  /** Keeps every query on a lease's row waiting, as a database that hangs would, until called again. */
  const hang = async (of: string) => {
    const client = await pool.connect();
    await client.query('begin');
    await client.query('select 1 from signalbox.leases where name = $1 for update', [of]);
    return async (): Promise<void> => {
      await client.query('rollback');
      client.release();
    };
  };

  /** Leads with something that only notes that it runs. */
  const start = (lease: PostgresLeaseRow, onLead: (term: Term) => Promise<void> = async () => undefined) => {
    const seen = { started: 0, running: 0, stoppedHeldMs: [] as number[], errors: [] as unknown[] };
    const leadership = lead({
      lease,
      backoffMs: { first: 20, most: 50 },
      onError: (error) => seen.errors.push(error),
      onLead: async (term) => {
        seen.started += 1;
        await onLead(term);
        seen.running += 1;
        return {
          stop: async () => {
            seen.running -= 1;
            seen.stoppedHeldMs.push(lease.heldForMs());
          },
        };
      },
    });
    leaderships.push(leadership);
    return { leadership, seen };
  };

  it('is held by one of many that ask at once, and renewed by that one only', async () => {
    const of = name();
    const leases = await Promise.all(Array.from({ length: 8 }, () => open(of)));
    const first = await Promise.all(leases.map((lease) => lease.acquire()));
    expect(first.filter(Boolean)).toHaveLength(1);
    expect(await Promise.all(leases.map((lease) => lease.acquire()))).toEqual(first);
  });

  it('goes to another after its life, and at once after a release; a former holder releases nothing', async () => {
    const of = name();
    const [one, other] = [await open(of), await open(of)];
    expect([await one.acquire(), await other.acquire()]).toEqual([true, false]);
    await one.release();
    expect(one.heldForMs()).toBe(0);
    expect(await other.acquire()).toBe(true);
    await one.release();
    expect(await holderOf(of)).toBe(other.holder);
    await eventually(() => one.acquire());
    expect(other.heldForMs()).toBe(0);
  });

  it('counts its life from before the query, by a clock that a pause does not stop', async () => {
    const of = name();
    let nowMs = 1_000;
    const lease = await open(of, { lifeMs: 30_000, now: () => nowMs });
    expect(await lease.acquire()).toBe(true);
    expect(lease.heldForMs()).toBe(30_000);
    const resume = await hang(of);
    const renewed = lease.acquire();
    nowMs += 2_000;
    await resume();
    expect(await renewed).toBe(true);
    expect(lease.heldForMs()).toBe(28_000);
    nowMs += 40_000;
    expect(lease.heldForMs()).toBe(0);
  });

  it('runs in one replica and moves to another as soon as the first one stops', async () => {
    const of = name();
    const one = start(await open(of));
    await eventually(() => one.seen.running === 1);
    const other = start(await open(of));
    await eventually(async () => (await pool.query('select 1')).rowCount === 1);
    expect([one.leadership.isLeader(), other.leadership.isLeader()]).toEqual([true, false]);
    await one.leadership.stop();
    await one.leadership.stop();
    expect([one.seen.running, one.leadership.isLeader()]).toEqual([0, false]);
    await eventually(() => other.leadership.isLeader() && other.seen.running === 1, { timeoutMs: lifeMs });
  });

  it('renews the lease without starting again', async () => {
    const of = name();
    const { seen, leadership } = start(await open(of));
    await eventually(() => seen.running === 1);
    const ends = new Set<string>();
    await eventually(async () => {
      const { rows } = await pool.query<{ until: Date }>(
        'select until from signalbox.leases where name = $1',
        [of],
      );
      ends.add(String(rows[0]?.until.toISOString()));
      return ends.size > 6;
    });
    expect(seen.started).toBe(1);
    expect(leadership.isLeader()).toBe(true);
  });

  it('stops what runs before the life is over when renewal hangs, and starts again afterwards', async () => {
    const of = name();
    const { seen, leadership } = start(await open(of));
    await eventually(() => seen.running === 1);
    const resume = await hang(of);
    await eventually(() => seen.running === 0);
    expect(seen.stoppedHeldMs[0]).toBeGreaterThan(0);
    expect(leadership.isLeader()).toBe(false);
    await resume();
    await eventually(() => seen.running === 1 && leadership.isLeader());
    expect(seen.errors.length).toBeGreaterThan(0);
  });

  it('stops at once when another holds the lease', async () => {
    const of = name();
    const { seen, leadership } = start(await open(of));
    await eventually(() => seen.running === 1);
    await pool.query(
      `update signalbox.leases set holder = 'thief', until = now() + interval '1 hour' where name = $1`,
      [of],
    );
    await eventually(() => seen.running === 0, { timeoutMs: lifeMs });
    expect(leadership.isLeader()).toBe(false);
    expect(await holderOf(of)).toBe('thief');
  });

  it('gives the lease back and tries again when the start throws or what runs fails', async () => {
    const of = name();
    const terms: Term[] = [];
    const lease = await open(of);
    const heldDuringFailure: (string | undefined)[] = [];
    const { seen } = start(lease, async (term) => {
      terms.push(term);
      heldDuringFailure.push(await holderOf(of));
      if (terms.length < 3) throw new Error('no stream yet');
    });
    await eventually(() => seen.running === 1);
    expect(seen.started).toBe(3);
    expect(heldDuringFailure).toEqual([lease.holder, lease.holder, lease.holder]);
    terms[2]?.fail(new Error('connection gone'));
    expect(terms[2]?.holds()).toBe(false);
    await eventually(() => seen.started === 4 && seen.running === 1);
    expect(seen.errors.map(String)).toEqual([
      'Error: no stream yet',
      'Error: no stream yet',
      'Error: connection gone',
    ]);
  });

  it('lets another lead while the first one cannot start', async () => {
    const of = name();
    const one = start(await open(of), () => Promise.reject(new Error('cannot')));
    await eventually(() => one.seen.errors.length > 0);
    const other = start(await open(of, { lifeMs: 300 }));
    await eventually(() => other.seen.running === 1);
  });

  it('stops what had been starting when the lease was lost meanwhile', async () => {
    const of = name();
    let go = (): void => undefined;
    const { seen } = start(await open(of), () => new Promise((resolve) => (go = resolve)));
    await eventually(() => seen.started === 1);
    await pool.query(
      `update signalbox.leases set holder = 'thief', until = now() + interval '1 hour' where name = $1`,
      [of],
    );
    await eventually(() => leaderships.every((one) => !one.isLeader()));
    go();
    await eventually(() => seen.stoppedHeldMs.length === 1 && seen.running === 0);
  });

  it('ends with the signal it was given', async () => {
    const stop = new AbortController();
    let stopped = 0;
    const leadership = lead({
      lease: await open(name()),
      signal: stop.signal,
      onError: () => undefined,
      onLead: async () => ({ stop: async () => void (stopped += 1) }),
    });
    await eventually(() => leadership.isLeader());
    stop.abort();
    await leadership.stop();
    expect([leadership.isLeader(), stopped]).toEqual([false, 1]);
  });
});
