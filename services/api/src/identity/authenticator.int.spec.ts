import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { openPool } from '@signalbox/postgres';
import { Clock, systemClock } from '@signalbox/service-kit';
import { createDatabase, type TestDatabase } from '@signalbox/testkit';
import type pg from 'pg';
import type { DataSource } from 'typeorm';
import { migrateApi, openDataSource } from '../tables/database.ts';
import { KeyRows } from '../tables/key-rows.ts';
import { Authenticator } from './authenticator.ts';
import { hashKey } from './key-text.ts';

class SetClock extends Clock {
  atMs = 0;
  now(): string {
    return systemClock.now();
  }
  nowMs(): number {
    return systemClock.nowMs();
  }
  monotonicMs(): number {
    return this.atMs;
  }
}

let database: TestDatabase;
let source: DataSource;
let pool: pg.Pool;
beforeAll(async () => {
  database = await createDatabase();
  source = await openDataSource({ url: database.url, onError: () => undefined });
  pool = openPool({ url: database.url, applicationName: 'spec' });
  await migrateApi(pool, source);
});
afterAll(async () => {
  await source.destroy();
  await pool.end();
  await database.drop();
});

const key = 'sbk_known';
const shutOut = (): never => {
  throw new Error('a stranger');
};

it('a key that counted is no stranger when it is read again; one that counts no more is', async () => {
  const rows = new KeyRows(source);
  const ids = { keyId: 'key-1', principalId: 'principal-1' };
  await rows.add({ ...ids, name: 'program', roles: ['viewer'], hash: hashKey(key), requestedBy: 'spec' });
  await rows.markIssued('key-1');
  const clock = new SetClock();
  const authenticator = new Authenticator(rows, clock);
  await expect(authenticator.identify(key, shutOut)).rejects.toThrow('a stranger');
  expect(await authenticator.identify(key, () => undefined)).toMatchObject(ids);
  clock.atMs += 60_000;
  expect(await authenticator.identify(key, shutOut)).toMatchObject(ids);
  authenticator.forget('another-key');
  expect(await authenticator.identify(key, shutOut)).toMatchObject(ids);
  authenticator.forget('key-1');
  await expect(authenticator.identify(key, shutOut)).rejects.toThrow('a stranger');
  expect(await authenticator.identify(key, () => undefined)).toMatchObject(ids);
  await source.query('update api.keys set revoke_requested_at = now()');
  clock.atMs += 60_000;
  expect(await authenticator.identify(key, shutOut)).toBeUndefined();
  clock.atMs += 60_000;
  await expect(authenticator.identify(key, shutOut)).rejects.toThrow('a stranger');
});
