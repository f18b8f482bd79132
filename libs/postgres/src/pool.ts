import pg from 'pg';

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

/** Commits; throws when the server rolled back because a failed statement had been ignored. */
const commit = async (client: pg.PoolClient): Promise<void> => {
  const { command } = await client.query('commit');
  if (command !== 'COMMIT') {
    throw new Error(`expected COMMIT, got ${command}: a statement of the transaction had failed`);
  }
};

/**
 * Runs `work` in one transaction: commits when it resolves, rolls back when it throws.
 * When the connection breaks during the commit itself the outcome is unknown, and the error says so by being thrown.
 */
export const transaction = async <T>(
  pool: pg.Pool,
  work: (client: pg.PoolClient) => Promise<T>,
  options: TransactionOptions = {},
): Promise<T> => {
  const client = await pool.connect();
  let result: T;
  try {
    await client.query(options.durable === false ? 'begin; set local synchronous_commit = off' : 'begin');
    result = await work(client);
    await commit(client);
  } catch (error) {
    await rollback(client);
    throw error;
  }
  client.release();
  return result;
};
