/** Programs of the bench in processes of their own, so that clients, workers and what is measured do not share a thread. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** What such a program can be asked for, by name. */
export type Orders = Readonly<Record<string, (input: never) => Promise<unknown>>>;

interface Asked {
  readonly number: number;
  readonly order: string;
  readonly input: unknown;
}

interface Answered {
  readonly number: number;
  readonly result?: unknown;
  readonly error?: string;
}

/** What an order is answered with. */
type ResultOf<F> = F extends (input: never) => Promise<infer Result> ? Result : never;

export interface Child<O extends Orders> {
  readonly pid: number | undefined;
  /** @throws Error that the program threw, or that it has ended */
  ask<K extends keyof O & string>(order: K, input: Parameters<O[K]>[0]): Promise<ResultOf<O[K]>>;
  /** Ends it and waits for its end. */
  stop(): Promise<void>;
}

const isRunning = (child: ChildProcess): boolean => child.exitCode === null && child.signalCode === null;

/** Starts `bench/src/<file>`, which calls `serveOrders`; it ends when this process ends. */
export const startChild = <O extends Orders>(file: string): Child<O> => {
  const child = fork(join(import.meta.dirname, file), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const waiting = new Map<number, (answer: Answered) => void>();
  let numbers = 0;
  child.on('message', (answer: Answered) => waiting.get(answer.number)?.(answer));
  child.once('exit', (code, signal) => {
    for (const [number, settle] of waiting)
      settle({ number, error: `expected ${file} to go on, got its end (${signal ?? code})` });
  });
  return {
    pid: child.pid,
    ask: async <K extends keyof O & string>(order: K, input: Parameters<O[K]>[0]) => {
      numbers += 1;
      const asked: Asked = { number: numbers, order, input };
      const answer = await new Promise<Answered>((settle) => {
        waiting.set(asked.number, settle);
        child.send(asked, (error) => {
          if (error !== null) settle({ number: asked.number, error: error.message });
        });
      });
      waiting.delete(asked.number);
      if (answer.error !== undefined) throw new Error(answer.error);
      return answer.result as ResultOf<O[K]>;
    },
    stop: async () => {
      if (!isRunning(child)) return;
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    },
  };
};

/** Answers the starter's orders until the starter is gone. */
export const serveOrders = (orders: Orders): void => {
  const answer = async ({ number, order, input }: Asked): Promise<Answered> => {
    try {
      const serve = orders[order];
      if (serve === undefined) throw new Error(`expected an order that is served, got ${order}`);
      return { number, result: await serve(input as never) };
    } catch (error) {
      return { number, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    }
  };
  process.on('message', (asked: Asked) => {
    void answer(asked).then((answered) => process.send?.(answered));
  });
  process.once('disconnect', () => process.exit(0));
};

/** Milliseconds of the machine's monotonic clock, which all processes share. */
export const machineMs = (): number => Number(process.hrtime.bigint()) / 1_000_000;
