import { randomBytes } from 'node:crypto';
import { Client } from 'pg';

export interface TestDatabase {
  readonly url: string;
  /**
   * Deletes the database.
   *
   * @throws Error connections to it were still open five seconds later: the spec has left a pool open. The database is
   * deleted all the same
   */
  drop(): Promise<void>;
}

const serverUrl = (): string => {
  const url = process.env['SIGNALBOX_TEST_DATABASE_URL'];
  if (url === undefined) {
    throw new Error('expected SIGNALBOX_TEST_DATABASE_URL, got none: run this spec with jest.int.config.mjs');
  }
  return url;
};

const execute = async (sql: string): Promise<void> => {
  const client = new Client({ connectionString: serverUrl() });
  try {
    await client.connect();
    await client.query(sql);
  } finally {
    await client.end();
  }
};

/** Postgres itself waits up to five seconds for connections that are just being closed. */
const dropDatabase = async (name: string): Promise<void> => {
  try {
    await execute(`drop database if exists ${name}`);
  } catch (cause) {
    await execute(`drop database if exists ${name} with (force)`);
    throw new Error(`expected no open connection to ${name} at its end, got a spec that left one open`, {
      cause,
    });
  }
};

/** An empty database of its own in the run's cluster; a spec file makes one and drops it at its end. */
export const createDatabase = async (): Promise<TestDatabase> => {
  const name = `spec_${randomBytes(8).toString('hex')}`;
  await execute(`create database ${name}`);
  const url = new URL(serverUrl());
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => dropDatabase(name) };
};
