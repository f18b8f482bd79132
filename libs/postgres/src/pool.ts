import pg from 'pg';
import { observedClient, type QueryListener } from './observed-client.ts';

export interface PoolOptions {
  /** Connection URL, `postgres://…`. It holds a password: it is never logged and stands in no error. */
  readonly url: string;
  /** Most connections of this process; default 10. */
  readonly max?: number;
  /** Name shown in `pg_stat_activity`. */
  readonly applicationName: string;
  /** Longest run of one statement in milliseconds, by the server's clock; default 30 s. */
  readonly statementTimeoutMs?: number;
  /** Told when a connection breaks that nobody was using; the pool replaces it by itself. */
  readonly onError?: (error: Error) => void;
  /** Told of each statement once it has ended: how long it took, and its error if it failed. Never throws. */
  readonly onQuery?: QueryListener;
}

/** After the server should have ended a statement the client waits this much longer, then drops the connection. */
const clientGraceMs = 5_000;

const checkUrl = (url: string): void => {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.protocol === 'postgres:' || parsed?.protocol === 'postgresql:') return;
  throw new TypeError(
    'expected a connection URL such as postgres://user@host:5432/database, got another text',
  );
};

/**
 * Opens a pool; connects at the first query. The caller ends it.
 *
 * A transaction that is left idle is ended by the server, so that a paused process cannot hold a lock for ever.
 */
export const openPool = (options: PoolOptions): pg.Pool => {
  checkUrl(options.url);
  const statementTimeoutMs = options.statementTimeoutMs ?? 30_000;
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.max ?? 10,
    application_name: options.applicationName,
    connectionTimeoutMillis: 5_000,
    idleTimeoutMillis: 60_000,
    keepAlive: true,
    statement_timeout: statementTimeoutMs,
    query_timeout: statementTimeoutMs + clientGraceMs,
    idle_in_transaction_session_timeout: statementTimeoutMs,
    ...(options.onQuery === undefined ? {} : { Client: observedClient(options.onQuery) }),
  });
  const report = (error: Error): void => options.onError?.(error);
  pool.on('error', report);
  // A connection in use that breaks between two queries has no other listener, and Node would end the process.
  pool.on('connect', (client) => client.on('error', () => undefined));
  return pool;
};

export interface TransactionOptions {
  /** False for rows derived wholly from events: a crash may lose the last commits, rows and position together. */
  readonly durable?: boolean;
}

/** Ends a failed transaction; a connection that cannot even do that is dropped. */
const rollback = async (client: pg.PoolClient): Promise<void> => {
  try {
    await client.query('rollback');
    client.release();
  } catch {
    client.release(true);
  }
};

/** The results of a text of several statements, one each; the client answers a lone one without an array. */
const resultsOf = (answer: pg.QueryResult<Row> | pg.QueryResult<Row>[]): readonly pg.QueryResult<Row>[] =>
  Array.isArray(answer) ? answer : [answer];

type Row = Record<string, unknown>;

/** A transaction's work with statements that travel together with `begin` and `commit`: two round trips fewer. */
export interface Framed<T> {
  /** A statement without parameters; its rows are given to `work`. */
  readonly opening?: string;
  readonly work: (client: pg.PoolClient, opened: readonly Row[]) => Promise<T>;
  /** A statement without parameters, run just before the commit. It has to succeed: the commit goes with it. */
  readonly closing?: (result: T) => string;
}

/** Commits; throws when the server rolled back because a failed statement had been ignored. */
const commit = async (client: pg.PoolClient, closing: string | undefined): Promise<void> => {
  const answer = await client.query<Row>(closing === undefined ? 'commit' : `${closing}; commit`);
  const command = resultsOf(answer).at(-1)?.command;
  if (command !== 'COMMIT') {
    throw new Error(`expected COMMIT, got ${String(command)}: a statement of the transaction had failed`);
  }
};

/** Like {@link transaction}, with an opening and a closing statement. */
export const framedTransaction = async <T>(
  pool: pg.Pool,
  { opening, work, closing }: Framed<T>,
  options: TransactionOptions = {},
): Promise<T> => {
  const client = await pool.connect();
  let result: T;
  try {
    const begin = options.durable === false ? 'begin; set local synchronous_commit = off' : 'begin';
    const begun = await client.query<Row>(opening === undefined ? begin : `${begin}; ${opening}`);
    const opened = opening === undefined ? [] : (resultsOf(begun).at(-1)?.rows ?? []);
    result = await work(client, opened);
    await commit(client, closing?.(result));
  } catch (error) {
    await rollback(client);
    throw error;
  }
  client.release();
  return result;
};

/**
 * Runs `work` in one transaction: commits when it resolves, rolls back when it throws.
 * When the connection breaks during the commit itself the outcome is unknown, and the error says so by being thrown.
 */
export const transaction = <T>(
  pool: pg.Pool,
  work: (client: pg.PoolClient) => Promise<T>,
  options: TransactionOptions = {},
): Promise<T> => framedTransaction(pool, { work }, options);
