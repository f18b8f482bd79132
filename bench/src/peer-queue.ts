/** BullMQ and graphile-worker behind the same two functions: add a job, run jobs. */
import { Queue, Worker } from 'bullmq';
import { EventEmitter } from 'node:events';
import { Logger, makeWorkerUtils, run } from 'graphile-worker';
import { createBatcher } from '@signalbox/postgres';
import { createdOf } from './fill.ts';

/** Where the jobs are kept. */
export type QueueAddress =
  | { readonly kind: 'bullmq'; readonly port: number }
  | { readonly kind: 'graphile'; readonly databaseUrl: string };

export interface QueueClient {
  /** Resolves when the queue has accepted the job. */
  add(jobId: string): Promise<void>;
  close(): Promise<void>;
}

export interface QueueRunner {
  close(): Promise<void>;
}

const name = 'bench';
const silent = new Logger(() => () => undefined);

/** What a job carries: the same document as ours. */
const payloadOf = (jobId: string) => createdOf(jobId, 'device-1');

const redisAt = (port: number) => ({ host: '127.0.0.1', port, maxRetriesPerRequest: null });

/** Adds jobs one by one through BullMQ, whose connection pipelines, and in batches of what waits through graphile-worker. */
export const openClient = async (address: QueueAddress): Promise<QueueClient> => {
  if (address.kind === 'bullmq') {
    const queue = new Queue(name, { connection: redisAt(address.port) });
    await queue.waitUntilReady();
    return {
      add: async (jobId) => {
        await queue.add(name, payloadOf(jobId), { jobId, removeOnComplete: true });
      },
      close: () => queue.close(),
    };
  }
  const utils = await makeWorkerUtils({ connectionString: address.databaseUrl, logger: silent });
  await utils.migrate();
  const batcher = createBatcher<string, undefined>({
    maxBatch: 256,
    run: async (jobIds) => {
      await utils.addJobs(jobIds.map((jobId) => ({ identifier: name, payload: payloadOf(jobId) })));
      return jobIds.map(() => undefined);
    },
  });
  return {
    add: (jobId) => batcher.add(jobId),
    close: async () => {
      await utils.release();
    },
  };
};

/** Runs up to `atOnce` jobs at a time. `onEnd` hears of each job that the queue has taken as completed. */
export const openRunner = async (
  address: QueueAddress,
  atOnce: number,
  work: (jobId: string) => Promise<void>,
  onEnd: () => void,
): Promise<QueueRunner> => {
  if (address.kind === 'bullmq') {
    const worker = new Worker<ReturnType<typeof payloadOf>>(name, ({ data }) => work(data.jobId), {
      connection: redisAt(address.port),
      concurrency: atOnce,
    });
    worker.on('completed', onEnd);
    worker.on('failed', (_, error) => {
      throw error;
    });
    await worker.waitUntilReady();
    return { close: () => worker.close() };
  }
  const events = new EventEmitter();
  events.on('job:success', onEnd);
  events.on('job:error', ({ error }: { readonly error: unknown }) => {
    throw error;
  });
  const runner = await run({
    connectionString: address.databaseUrl,
    taskList: { [name]: (payload) => work((payload as ReturnType<typeof payloadOf>).jobId) },
    crontab: '',
    concurrency: atOnce,
    noHandleSignals: true,
    logger: silent,
    events,
    // Its own advice for many short jobs: fetch many at once, complete many at once.
    preset: { worker: { maxPoolSize: 20, localQueue: { size: atOnce + 1 }, completeJobBatchDelay: 0 } },
  });
  return { close: () => runner.stop() };
};
