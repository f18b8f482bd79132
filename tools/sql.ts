/** `npm run sql -- "select …"`: asks the database of the running system. */
import { parseArgs } from 'node:util';
import { Client, type QueryArrayResult } from 'pg';
import { readRun, runFile } from './run-file.ts';
import { type SqlAnswer, csvText, jsonText, kindOf, tableText } from './sql-output.ts';

const usage = `usage: npm run sql -- [--json | --csv] [--as-owner] "<statements>"

Runs SQL statements on the database of the running system, as the read-only auditor
(tables and views of schema "audit"). Without statements they are read from standard input.

  --json      one JSON array per statement
  --csv       comma-separated values
  --as-owner  as the owner of the database: every schema, also writing

AUDIT_URL and DATABASE_URL (for --as-owner) name another database.
`;

const databaseAddress = (isOwner: boolean): string => {
  const url = isOwner
    ? (process.env['DATABASE_URL'] ?? readRun().databaseUrl)
    : (process.env['AUDIT_URL'] ?? readRun().auditUrl);
  if (url !== undefined) return url;
  throw new Error(
    `expected the address of the database in ${runFile} or ${isOwner ? 'DATABASE_URL' : 'AUDIT_URL'}, got none: ` +
      'start the system with "npm start" first',
  );
};

const isAnswer = (value: unknown): value is QueryArrayResult<(string | null)[]> =>
  typeof value === 'object' && value !== null && 'fields' in value && 'rows' in value;

const ask = async (url: string, isOwner: boolean, sql: string): Promise<SqlAnswer[]> => {
  const client = new Client({
    connectionString: url,
    connectionTimeoutMillis: 10_000,
    application_name: 'signalbox-sql',
    options: `-c timezone=UTC -c datestyle=ISO${isOwner ? '' : ' -c default_transaction_read_only=on'}`,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const result: unknown = await client.query({
      text: sql,
      rowMode: 'array',
      types: { getTypeParser: () => (value: string) => value },
    });
    const results: unknown[] = Array.isArray(result) ? result : [result];
    return results.filter(isAnswer).map(({ command, fields, rowCount, rows }) => ({
      command,
      rowCount,
      columns: fields.map(({ name, dataTypeID }) => ({ name, kind: kindOf(dataTypeID) })),
      rows,
    }));
  } finally {
    await client.end().catch(() => undefined);
  }
};

/** What Postgres says of a failed statement, or what to do when nobody answers. */
const explain = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  const fields = new Map<string, unknown>(Object.entries(error));
  if (fields.get('code') === 'ECONNREFUSED') {
    return `expected a running database, got: ${error.message}; start the system with "npm start"`;
  }
  const details = ['detail', 'hint', 'position'].flatMap((name) => {
    const value = fields.get(name);
    return typeof value === 'string' ? [`${name}: ${value}`] : [];
  });
  return [error.message, ...details].join('\n');
};

const readStandardInput = async (): Promise<string> => {
  let text = '';
  process.stdin.setEncoding('utf8');
  for await (const part of process.stdin) text += String(part);
  return text;
};

const main = async (): Promise<void> => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      json: { type: 'boolean', default: false },
      csv: { type: 'boolean', default: false },
      'as-owner': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help || (positionals.length === 0 && process.stdin.isTTY)) {
    process.stdout.write(usage);
    return;
  }
  const sql = positionals.length === 0 ? await readStandardInput() : positionals.join(' ');
  const format = values.json ? jsonText : values.csv ? csvText : tableText;
  const answers = await ask(databaseAddress(values['as-owner']), values['as-owner'], sql);
  process.stdout.write(answers.map(format).join(values.json ? '' : '\n'));
};

/** A reader that has seen enough, such as `head`, closes the pipe. */
process.stdout.on('error', () => process.exit(0));
try {
  await main();
} catch (error) {
  process.stderr.write(`${explain(error)}\n`);
  process.exitCode = 1;
}
