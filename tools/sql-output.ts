/** One statement's answer, its values as Postgres writes them in text. */
export interface SqlAnswer {
  /** Such as `SELECT` or `UPDATE`. */
  readonly command: string;
  /** Rows read or changed; null where the command has none to count. */
  readonly rowCount: number | null;
  readonly columns: readonly SqlColumn[];
  readonly rows: readonly (readonly (string | null)[])[];
}

export interface SqlColumn {
  readonly name: string;
  readonly kind: SqlKind;
}

export type SqlKind = 'boolean' | 'instant' | 'json' | 'number' | 'text';

/** Kinds of Postgres types by object id; int8 and numeric are numbers that JSON would round. */
const kinds: Readonly<Record<number, SqlKind>> = {
  16: 'boolean',
  20: 'number',
  21: 'number',
  23: 'number',
  26: 'number',
  114: 'json',
  700: 'number',
  701: 'number',
  1114: 'instant',
  1184: 'instant',
  1700: 'number',
  3802: 'json',
};

export const kindOf = (typeId: number): SqlKind => kinds[typeId] ?? 'text';

/** `2026-01-31 12:00:00.5+00` → `2026-01-31T12:00:00.5Z`; the session's time zone is UTC. */
const isoInstant = (text: string): string => text.replace(' ', 'T').replace(/\+00$/, 'Z');

/** JSON without blanks outside of strings; digits stay as they are. */
const compactJson = (text: string): string => text.replace(/("(?:[^"\\]|\\.)*")|\s+/g, '$1');

const textOf = (value: string | null, kind: SqlKind): string => {
  if (value === null) return '';
  if (kind === 'instant') return isoInstant(value);
  return kind === 'json' ? compactJson(value) : value;
};

const shortEscapes: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

const escaped = (character: string): string =>
  shortEscapes[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** Characters that would break the line or reach the terminal as commands, written as escapes. */
const printable = (text: string): string => text.replace(/\p{Cc}/gu, escaped);

const lengthOf = (text: string): number => [...text].length;

const pad = (text: string, width: number, side: 'left' | 'right'): string => {
  const blanks = ' '.repeat(Math.max(width - lengthOf(text), 0));
  return side === 'left' ? blanks + text : text + blanks;
};

const centre = (text: string, width: number): string =>
  pad(' '.repeat(Math.floor((width - lengthOf(text)) / 2)) + text, width, 'right');

/** An aligned table as psql prints it, with the number of rows; for a statement without rows its command. */
export const tableText = (answer: SqlAnswer): string => {
  const { columns, command, rowCount } = answer;
  if (columns.length === 0) return rowCount === null ? `${command}\n` : `${command} ${rowCount}\n`;
  const names = columns.map((column) => printable(column.name));
  const cells = answer.rows.map((row) =>
    columns.map((column, index) => printable(textOf(row[index] ?? null, column.kind))),
  );
  const widths = names.map((name, index) =>
    cells.reduce((widest, row) => Math.max(widest, lengthOf(row[index] ?? '')), lengthOf(name)),
  );
  const line = (parts: readonly string[]) => ` ${parts.join(' | ')}`.trimEnd();
  return [
    line(names.map((name, index) => centre(name, widths[index] ?? 0))),
    widths.map((width) => '-'.repeat(width + 2)).join('+'),
    ...cells.map((row) =>
      line(
        row.map((cell, index) =>
          pad(cell, widths[index] ?? 0, columns[index]?.kind === 'number' ? 'left' : 'right'),
        ),
      ),
    ),
    `(${cells.length} row${cells.length === 1 ? '' : 's'})`,
    '',
  ].join('\n');
};

const csvCell = (value: string | null, kind: SqlKind): string => {
  const text = textOf(value, kind);
  return value === '' || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

/** Comma-separated values with a header (RFC 4180, lines end in LF); a null is empty, an empty text is `""`. */
export const csvText = ({ columns, rows }: SqlAnswer): string =>
  [
    columns.map(({ name }) => csvCell(name, 'text')),
    ...rows.map((row) => columns.map(({ kind }, index) => csvCell(row[index] ?? null, kind))),
  ]
    .map((cells) => `${cells.join(',')}\n`)
    .join('');

const jsonValue = (value: string | null, kind: SqlKind): string => {
  if (value === null) return 'null';
  if (kind === 'json') return compactJson(value);
  if (kind === 'boolean') return value === 't' ? 'true' : 'false';
  if (kind === 'number' && /^-?\d/.test(value)) return value;
  return JSON.stringify(textOf(value, kind));
};

/** An array with one object per line; numbers keep all their digits. */
export const jsonText = ({ columns, rows }: SqlAnswer): string => {
  const objects = rows.map((row) => {
    const members = columns.map(
      ({ name, kind }, index) => `${JSON.stringify(name)}:${jsonValue(row[index] ?? null, kind)}`,
    );
    return `{${members.join(',')}}`;
  });
  return `[${objects.join(',\n')}]\n`;
};
