import pg from 'pg';

/** Told of each statement once it has ended. */
export type QueryListener = (statement: string, durationMs: number, error: unknown) => void;

type Callback = (error: unknown, result: unknown) => void;

const isCallback = (value: unknown): value is Callback => typeof value === 'function';

const statementOf = (query: unknown): string => {
  if (typeof query === 'string') return query;
  const text = typeof query === 'object' && query !== null && 'text' in query ? query.text : undefined;
  return typeof text === 'string' ? text : '';
};

/**
 * The client of `pg` that tells of every statement with a text: of those that a pool runs, which come with a callback, and
 * of those that answer a promise.
 */
export const observedClient = (onQuery: QueryListener): typeof pg.Client => {
  class ObservedClient extends pg.Client {
    // pg declares nine signatures of this method; all have the statement first and a callback, if any, last.
    override query(...args: readonly unknown[]): never {
      const startedAt = performance.now();
      const statement = statementOf(args[0]);
      const done = (error: unknown): void => onQuery(statement, performance.now() - startedAt, error);
      const given = args.at(-1);
      const passed = isCallback(given)
        ? [
            ...args.slice(0, -1),
            (error: unknown, result: unknown): void => {
              done(error ?? undefined);
              given(error, result);
            },
          ]
        : args;
      // eslint-disable-next-line @typescript-eslint/unbound-method -- because Reflect.apply gives it its `this`
      const answer: unknown = Reflect.apply(super.query, this, passed);
      if (answer instanceof Promise) answer.then(() => done(undefined), done);
      return answer as never;
    }
  }
  return ObservedClient;
};
