/** A value of one column; every one travels as text and is cast by the server. */
export type Cell = string | number | boolean | null;

export interface BulkInsert<Column extends string> {
  /** Table with its schema. */
  readonly table: string;
  /** Columns with their SQL types, in the order of the statement. */
  readonly columns: Readonly<Record<Column, string>>;
  /** What follows the rows: `on conflict …`. */
  readonly conflict: string;
}

/** A statement that inserts any number of rows: one text, one array per column. */
export interface BulkStatement<Column extends string> {
  readonly text: string;
  values(rows: readonly Readonly<Record<Column, Cell>>[]): readonly (readonly (string | null)[])[];
}

/** Builds the text once; the same text for every batch lets the server keep its plan. */
export const bulkInsert = <Column extends string>({
  table,
  columns,
  conflict,
}: BulkInsert<Column>): BulkStatement<Column> => {
  const names = Object.keys(columns).filter((name): name is Column => Object.hasOwn(columns, name));
  const text = `
    insert into ${table} (${names.join(', ')})
    select ${names.map((name) => `r.${name}::${columns[name]}`).join(', ')}
    from unnest(${names.map((_, index) => `$${index + 1}::text[]`).join(', ')}) as r (${names.join(', ')})
    ${conflict}`;
  return {
    text,
    values: (rows) =>
      names.map((name) =>
        rows.map((row) => {
          const cell = row[name];
          return cell === null ? null : String(cell);
        }),
      ),
  };
};

/** `set` list that takes every column but the key from the row that was refused. */
export const setExcluded = (columns: readonly string[]): string =>
  columns.map((name) => `${name} = excluded.${name}`).join(', ');

/** Text that Postgres can hold: NUL and broken surrogates, which `text` and `jsonb` refuse, are shown as U+FFFD. */
export const storableText = (text: string): string => text.replaceAll('\u0000', '\ufffd').toWellFormed();

/** NUL or a broken surrogate, as `JSON.stringify` writes them. */
const unstorable = /\\u(?:0000|d[89a-f])/;

/** Same for every text within a JSON value. */
export const storableJson = (value: unknown): string => {
  const text = JSON.stringify(value);
  if (!unstorable.test(text)) return text;
  return JSON.stringify(value, (_, each: unknown) => (typeof each === 'string' ? storableText(each) : each));
};

/** Array literal of ids, which hold no character that would need more than quotes. */
export const textArray = (ids: readonly string[]): string => `{${ids.map((id) => `"${id}"`).join(',')}}`;
