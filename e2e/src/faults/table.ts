import { readFile } from 'node:fs/promises';
import { faultKinds } from './plan.ts';
import type { RunResult } from './run.ts';

const row = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`;

const names = ['seed', ...faultKinds, 'jobs', 'attempts', 'events', 'violations', 'seconds'];

/** How many faults of each kind, and what the load came to. */
const numbersOf = ({ faults, jobs, attempts, events, violations, seconds }: RunResult): readonly number[] => [
  ...faultKinds.map((kind) => faults[kind] ?? 0),
  jobs,
  attempts,
  events,
  violations.length,
  seconds,
];

/** A table of runs in Markdown: one line each, and their sum. */
export const tableOf = (results: readonly RunResult[]): readonly string[] => {
  const rows = results.map((result) => [result.seed, ...numbersOf(result)]);
  const sums = names
    .slice(1)
    .map((_, index) => rows.reduce((sum, cells) => sum + (cells[index + 1] ?? 0), 0));
  return [row(names), row(names.map(() => '--:')), ...rows.map(row), row([`${rows.length} runs`, ...sums])];
};

/** Results that earlier runs appended to a file, by seed. */
export const readResults = async (file: string): Promise<readonly RunResult[]> => {
  const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => line !== '');
  const results = lines.map((line) => {
    const result: RunResult = JSON.parse(line);
    return result;
  });
  return results.toSorted((a, b) => a.seed - b.seed);
};
