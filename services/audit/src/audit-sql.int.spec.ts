import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { type AuditDatabase, openAuditDatabase } from './testing/database.ts';

const page = new URL('../../../docs/audit-sql.md', import.meta.url);
const relations = ['audit_logs', 'jobs', 'assignments', 'stuck_jobs'] as const;

let database: AuditDatabase;
let text: string;

beforeAll(async () => {
  database = await openAuditDatabase();
  text = await readFile(page, 'utf8');
});

afterAll(() => database.close());

/** Name and type of each row of the first table under a relation's heading. */
const documented = (relation: string): string[] => {
  const section = text.split(/^## /m).find((each) => each.startsWith(`\`${relation}\``)) ?? '';
  const [table = ''] = /(?:^\|.*\n)+/m.exec(section) ?? [];
  return [...table.matchAll(/^\| `(\w+)` +\| `([^`]+)` +\| \S.*\|$/gm)].map(
    ([, name, type]) => `${name} ${type}`,
  );
};

it.each(relations)('documents every column of %s with its type, in order, and no other', async (relation) => {
  const { rows } = await database.pool.query<{ column: string }>(
    `select column_name || ' ' || data_type as column from information_schema.columns
     where table_schema = 'audit' and table_name = $1 order by ordinal_position`,
    [relation],
  );
  expect(rows.length).toBeGreaterThan(5);
  expect(documented(relation)).toEqual(rows.map((row) => row.column));
});

it('documents every reason of stuck_jobs', async () => {
  const { rows } = await database.pool.query<{ definition: string }>(
    `select pg_get_viewdef('audit.stuck_jobs'::regclass) as definition`,
  );
  const inView = [...(rows[0]?.definition ?? '').matchAll(/'([a-z]+-[a-z-]+)'::text/g)].map(([, why]) => why);
  const [, table = ''] = text.split(/\| why +\| when +\| since +\|/);
  const inText = [...table.matchAll(/^\| `([a-z-]+)` +\|/gm)].map(([, why]) => why);
  expect(new Set(inView)).toEqual(new Set(inText));
  expect(inText.length).toBe(4);
});

it('has statements that run', async () => {
  const [, after = ''] = text.split('## Statements that always work');
  const [, block = ''] = /```sql\n([\s\S]*?)```/.exec(after) ?? [];
  const statements = block.split(';').filter((each) => each.trim() !== '');
  expect(statements.length).toBe(5);
  const client = await database.pool.connect();
  try {
    await client.query('set search_path = audit');
    for (const statement of statements) await client.query(statement);
  } finally {
    client.release(true);
  }
});
