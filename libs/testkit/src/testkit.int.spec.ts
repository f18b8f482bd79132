import { describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { createDatabase } from './index.ts';

const query = async (url: string, sql: string): Promise<unknown[]> => {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
};

describe('createDatabase', () => {
  it('gives each caller an empty database of its own', async () => {
    const [one, other] = await Promise.all([createDatabase(), createDatabase()]);
    await query(one.url, 'create table t (n int)');
    await expect(query(other.url, 'select * from t')).rejects.toThrow('"t" does not exist');
    await Promise.all([one.drop(), other.drop()]);
    await expect(query(one.url, 'select 1')).rejects.toThrow('does not exist');
  });

  it('fails the spec that leaves a connection open, and deletes the database all the same', async () => {
    const database = await createDatabase();
    const forgotten = new Client({ connectionString: database.url });
    forgotten.on('error', () => undefined);
    await forgotten.connect();
    await expect(database.drop()).rejects.toThrow('expected no open connection');
    await forgotten.end();
    await expect(query(database.url, 'select 1')).rejects.toThrow('does not exist');
  });

  it('orders text by bytes and keeps time in UTC', async () => {
    const database = await createDatabase();
    const rows = await query(database.url, `select 'B' < 'a' as bytes, current_setting('timezone') as zone`);
    expect(rows).toEqual([{ bytes: true, zone: 'UTC' }]);
    await database.drop();
  });
});
