/** The table of all figures, as text for a terminal and as Markdown. */
import { type Aim, type Figure, isMet, peerNames } from './figure.ts';

const none = '–';

/** Three digits that count, at least; thousands apart. */
export const numberText = (value: number): string => {
  if (!Number.isFinite(value)) return none;
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString('en-GB', { minimumFractionDigits: digits, maximumFractionDigits: digits });
};

const aimText = (aim: Aim): string =>
  'atLeast' in aim ? `≥ ${numberText(aim.atLeast)}` : `≤ ${numberText(aim.atMost)}`;

const peerText = (value: NonNullable<Figure['peers']>[keyof NonNullable<Figure['peers']>]): string => {
  if (value === undefined) return none;
  if (typeof value === 'string') return `SKIPPED: ${value}`;
  return `${numberText(value.bare)} / ${numberText(value.audited)}`;
};

const heads = ['', 'figure', 'unit', 'Signalbox', 'aim', 'met', 'ceiling', ...peerNames];

const cellsOf = (figure: Figure): readonly string[] => [
  `(${figure.measurement})`,
  figure.name,
  figure.unit,
  numberText(figure.value),
  figure.aim === undefined ? none : aimText(figure.aim),
  figure.aim === undefined ? none : isMet(figure.value, figure.aim) ? 'yes' : 'no',
  figure.ceiling === undefined ? none : numberText(figure.ceiling),
  ...peerNames.map((name) => peerText(figure.peers?.[name])),
];

/** Columns of numbers are set to the right. */
const isLeft = (column: number): boolean => column <= 2;

/** One row a figure, columns aligned; the same text is a table in Markdown. */
export const tableText = (figures: readonly Figure[]): string => {
  const rows = [heads, ...figures.map(cellsOf)];
  const widths = heads.map((_, column) => Math.max(3, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const pad = (text: string, column: number): string => {
    const width = widths[column] ?? 0;
    return isLeft(column) ? text.padEnd(width) : text.padStart(width);
  };
  const rule = widths.map((width, column) =>
    isLeft(column) ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`,
  );
  return [heads, rule, ...rows.slice(1)].map((row) => line(row === rule ? rule : row.map(pad))).join('\n');
};

/** Values of one kind, such as milliseconds by process, in the order given. */
export const listText = (values: Readonly<Record<string, number>>, unit: string): string =>
  Object.entries(values)
    .map(([name, value]) => `${name} ${value.toFixed(2)}`)
    .join(', ') + ` ${unit}`;
