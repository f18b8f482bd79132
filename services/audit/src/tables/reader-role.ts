import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import type pg from 'pg';
import { auditSchema } from './database.ts';

/** Role of auditors: reads schema `audit` and nothing else. Databases of one cluster share it. */
export const readerRole = 'signalbox_audit_reader';

const sqlStates = { duplicateObject: '42710', uniqueViolation: '23505', internal: 'XX000' } as const;
const attempts = 10;

const codeOf = (error: unknown): unknown =>
  typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;

/** Several databases change the same role at once: Postgres refuses all but one, and the others try again. */
const again = async (pool: pg.Pool, sql: string): Promise<void> => {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await pool.query(sql);
      return;
    } catch (error) {
      if (codeOf(error) !== sqlStates.internal || attempt === attempts) throw error;
    }
  }
};

/** What Postgres stores of a password (RFC 5803), so that the password itself is in no statement and no server log. */
const scramVerifier = (password: string): string => {
  const iterations = 4096;
  const salt = randomBytes(16);
  const salted = pbkdf2Sync(password.normalize('NFKC'), salt, iterations, 32, 'sha256');
  const clientKey = createHmac('sha256', salted).update('Client Key').digest();
  const storedKey = createHash('sha256').update(clientKey).digest('base64');
  const serverKey = createHmac('sha256', salted).update('Server Key').digest('base64');
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${storedKey}:${serverKey}`;
};

const exists = async (pool: pg.Pool): Promise<boolean> => {
  const { rowCount } = await pool.query('select 1 from pg_roles where rolname = $1', [readerRole]);
  return rowCount !== 0;
};

const mayCreateRoles = async (pool: pg.Pool): Promise<boolean> => {
  const { rowCount } = await pool.query(
    'select 1 from pg_roles where rolname = current_user and (rolsuper or rolcreaterole)',
  );
  return rowCount !== 0;
};

const create = async (pool: pg.Pool): Promise<void> => {
  try {
    await pool.query(`create role ${readerRole} nologin`);
  } catch (error) {
    const code = codeOf(error);
    if (code !== sqlStates.duplicateObject && code !== sqlStates.uniqueViolation) throw error;
  }
};

const databaseName = async (pool: pg.Pool): Promise<string> => {
  const { rows } = await pool.query<{ name: string }>('select quote_ident(current_database()) as name');
  const [row] = rows;
  if (row === undefined) throw new Error('expected the name of the database, got none');
  return row.name;
};

/** `work_mem` keeps the guide's `NOT IN` a hash lookup for some hundred thousand jobs. */
const settings = { search_path: auditSchema, work_mem: '64MB', default_transaction_read_only: 'on' } as const;

const grants = [
  `grant usage on schema ${auditSchema} to ${readerRole}`,
  `grant select on all tables in schema ${auditSchema} to ${readerRole}`,
  `alter default privileges in schema ${auditSchema} grant select on tables to ${readerRole}`,
];

export interface ReaderRoleOptions {
  /** Lets the role log in with this password; without it the role stays as it is: a new one cannot log in. */
  readonly password?: string | undefined;
}

/**
 * Makes the read-only role where it is missing and the connected role may create roles, and gives it what it may see in
 * this database. Answers what was left undone for lack of rights: `none` of it, or all that needs the right to `create`.
 *
 * @throws Error of Postgres when the connected role may create roles and is refused all the same
 */
export const ensureReaderRole = async (
  pool: pg.Pool,
  options: ReaderRoleOptions = {},
): Promise<'ready' | 'no-role' | 'not-ours'> => {
  const creates = await mayCreateRoles(pool);
  if (!(await exists(pool))) {
    if (!creates) return 'no-role';
    await create(pool);
  }
  for (const grant of grants) await again(pool, grant);
  if (!creates) return 'not-ours';
  const database = await databaseName(pool);
  for (const [name, value] of Object.entries(settings)) {
    await again(pool, `alter role ${readerRole} in database ${database} set ${name} = '${value}'`);
  }
  if (options.password !== undefined) {
    await again(pool, `alter role ${readerRole} login password '${scramVerifier(options.password)}'`);
  }
  return 'ready';
};
