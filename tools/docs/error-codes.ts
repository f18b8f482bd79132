import {
  problemMeanings,
  problemStatus,
  reasonMeanings,
  statusAliases,
  statuses,
  transitions,
} from '@signalbox/contracts';

const generated = '<!-- Generated from libs/contracts by `npm run generate`; do not edit. -->';

/** A Markdown table; a bar in a cell is escaped. */
export const table = (head: readonly string[], rows: readonly (readonly string[])[]): string => {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
};

const code = (text: string): string => `\`${text}\``;

/** The page of all words that an answer or an event may carry: error codes, reasons, statuses. */
export const errorCodesPage = (): string => {
  const problems = Object.entries(problemStatus).map(([name, status]) => [
    code(name),
    String(status),
    Object.entries(problemMeanings).find(([each]) => each === name)?.[1] ?? '',
  ]);
  const reasons = Object.entries(reasonMeanings).map(([name, meaning]) => [code(name), meaning]);
  const steps = statuses.map((status) => [
    code(status),
    transitions[status].map(code).join(', ') || 'none: it is final',
  ]);
  const aliases = Object.entries(statusAliases).map(([word, status]) => [code(word), code(status)]);
  return [
    generated,
    '# Error codes, reasons and statuses',
    '## Error codes',
    'Every refusal is `application/problem+json` (RFC 9457) with a stable `code`. Codes are never renamed or reused; messages are for people and may change.',
    table(['code', 'HTTP', 'meaning, and what to do'], problems),
    '## Reasons of a status change',
    '`JobStatusChanged` carries `reason {code, message}`. Agents may report any of these; the dispatcher and the gateway use them too.',
    table(['code', 'meaning'], reasons),
    '## Statuses',
    'Of an assignment, and of a job rolled up from its assignments.',
    table(['status', 'may become'], steps),
    '## Words of other systems',
    'Where a status is read from a person or a foreign system, these words are understood as well, in any case; answers and events use the words above only.',
    table(['word', 'means'], aliases),
  ]
    .join('\n\n')
    .concat('\n');
};
