import { JobDocument, decodeEvent } from '@signalbox/contracts';
import { describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import {
  createDatabase,
  eventually,
  newEvent,
  sampleDocument,
  startTestNats,
  startTestPostgres,
} from './index.ts';

const query = async (url: string, sql: string): Promise<unknown[]> => {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
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

describe('startTestNats', () => {
  it('forgets everything on wipe and stays at its address', async () => {
    const nats = await startTestNats();
    const { storeDir, url } = nats;
    const marker = `${storeDir}/jetstream/marker`;
    await writeFile(marker, 'x');
    await nats.wipe();
    expect(nats.url).toBe(url);
    expect(nats.pid).toBeDefined();
    await expect(stat(marker)).rejects.toThrow('ENOENT');
    await nats.close();
    expect(nats.pid).toBeUndefined();
    await expect(stat(dirname(storeDir))).rejects.toThrow('ENOENT');
  });
});

describe('startTestPostgres', () => {
  it('is a cluster of its own that can be stopped', async () => {
    const postgres = await startTestPostgres({ durable: false });
    await postgres.stop();
    await expect(query(postgres.url, 'select 1')).rejects.toThrow('ECONNREFUSED');
    await postgres.start();
    expect(await query(postgres.url, 'select 1 as n')).toEqual([{ n: 1 }]);
    await postgres.close();
    await expect(stat(dirname(postgres.dataDir))).rejects.toThrow('ENOENT');
  });
});

describe('eventually', () => {
  it('answers the value once the check holds', async () => {
    let n = 0;
    expect(await eventually(() => (++n < 3 ? null : n), { everyMs: 1 })).toBe(3);
  });

  it('says what was waited for and what came last', async () => {
    const check = () => expect(1).toBe(2);
    await expect(eventually(check, { what: 'the impossible', timeoutMs: 5, everyMs: 1 })).rejects.toThrow(
      /expected the impossible within 5 ms, got: .*/,
    );
  });
});

describe('builders', () => {
  it('make what the contracts accept', () => {
    const event = newEvent();
    const recorded = {
      ...event,
      stream: `job-${event.correlationId}`,
      streamVersion: 1,
      position: '1'.padStart(16, '0'),
      recordedAt: event.occurredAt,
    };
    expect(decodeEvent(recorded)).toMatchObject({
      type: 'JobCancelRequested',
      data: { jobId: event.correlationId },
    });
    expect(JobDocument.parse(sampleDocument())).toEqual(sampleDocument());
  });
});
