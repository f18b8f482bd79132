/** How long the raw steps of a measured way take one after the other, without us: waits for the disk and for NATS. */
import { randomUUID } from 'node:crypto';
import { jetstream } from '@nats-io/jetstream';
import { Client } from 'pg';
import { createAuditTable, insertAuditRows } from './audit-table.ts';
import { ownDatabase, withStream } from './ceilings.ts';
import { type Latency, latencyOf } from './latency.ts';

const body = JSON.stringify({ from: 'SCHEDULED', to: 'IN_PROGRESS', padding: 'x'.repeat(240) });

export interface Floors {
  /** Two events through the stream, three commits on disk: what lies between acceptance and an agent having the job. */
  readonly offer: Latency;
  /** One event through the stream, one audit row committed. */
  readonly audit: Latency;
}

const timed = async (rounds: number, work: () => Promise<unknown>): Promise<Latency> => {
  const tookMs: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const begun = performance.now();
    await work();
    tookMs.push(performance.now() - begun);
  }
  return latencyOf(tookMs);
};

export const measureFloors = (databaseUrl: string, rounds: number): Promise<Floors> =>
  withStream(async (nc) => {
    const client = new Client({ connectionString: await ownDatabase(databaseUrl) });
    await client.connect();
    await createAuditTable(client);
    await client.query('create table commits (id uuid primary key, body text not null)');
    const js = jetstream(nc);
    let arrived = (): void => undefined;
    const consumer = await js.consumers.get('BENCH');
    const messages = await consumer.consume({ callback: () => arrived() });
    const pass = async (): Promise<void> => {
      const here = new Promise<void>((resolve) => (arrived = resolve));
      await Promise.all([js.publish('bench.floor', body), here]);
    };
    const commit = () =>
      client.query({
        name: 'commit',
        text: 'insert into commits values ($1, $2)',
        values: [randomUUID(), body],
      });
    const row = () =>
      insertAuditRows(client, [{ jobId: randomUUID(), type: 'JobStatusChanged', step: 1, payload: body }]);
    const offer = async (): Promise<void> => {
      for (const step of [pass, commit, pass, commit, commit]) await step();
    };
    await timed(20, offer);
    const result = {
      offer: await timed(rounds, offer),
      audit: await timed(rounds, async () => {
        await pass();
        await row();
      }),
    };
    await messages.close();
    await client.end();
    return result;
  });
