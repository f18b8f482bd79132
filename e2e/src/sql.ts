import { Client } from 'pg';

export type Row = Readonly<Record<string, unknown>>;

/** One statement on a connection of its own, as an auditor with a SQL client would send it. */
export const query = async (url: string, text: string, values: readonly unknown[] = []): Promise<Row[]> => {
  const client = new Client({ connectionString: url });
  // A server that is stopped under a connection is what some specs do; the query tells them.
  client.on('error', () => undefined);
  try {
    await client.connect();
    return (await client.query<Record<string, unknown>>(text, [...values])).rows;
  } finally {
    await client.end().catch(() => undefined);
  }
};
