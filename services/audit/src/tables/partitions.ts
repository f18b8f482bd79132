import type pg from 'pg';

/** Month of an instant in UTC: `2026-01`. */
export type Month = string;

export const monthOf = (instant: string): Month => instant.slice(0, 7);

export const nextMonth = (month: Month): Month => {
  const [year = 0, number = 0] = month.split('-').map(Number);
  return number === 12
    ? `${String(year + 1).padStart(4, '0')}-01`
    : `${String(year).padStart(4, '0')}-${String(number + 1).padStart(2, '0')}`;
};

export const partitionOf = (month: Month): string => `audit_logs_${month.replace('-', '_')}`;

const existing = async (tx: pg.ClientBase): Promise<ReadonlySet<string>> => {
  const { rows } = await tx.query<{ name: string }>(
    `select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid
     where i.inhparent = 'audit.audit_logs'::regclass`,
  );
  return new Set(rows.map(({ name }) => name));
};

/** Made beside the table and then attached: that waits for no reader of `audit_logs`, however long it reads. */
const create = async (tx: pg.ClientBase, month: Month): Promise<void> => {
  const table = `audit.${partitionOf(month)}`;
  await tx.query(`create table ${table} (like audit.audit_logs)`);
  await tx.query(
    `alter table audit.audit_logs attach partition ${table}
     for values from ('${month}-01T00:00:00Z') to ('${nextMonth(month)}-01T00:00:00Z')`,
  );
};

/** Knows which months have a partition, and makes those that are missing, with the month after as well. */
export class Partitions {
  #known: ReadonlySet<string> = new Set();

  /**
   * Makes partitions within the transaction of the rows that need them. A month is remembered only when a later
   * transaction has found it, so that one that was rolled back is made again.
   */
  async ensure(tx: pg.ClientBase, months: Iterable<Month>): Promise<void> {
    const wanted = new Set([...months].filter((month) => !this.#known.has(partitionOf(month))));
    if (wanted.size === 0) return;
    const found = await existing(tx);
    this.#known = found;
    const all = new Set([...wanted, ...[...wanted].map(nextMonth)]);
    for (const month of [...all].toSorted()) {
      if (!found.has(partitionOf(month))) await create(tx, month);
    }
  }
}
