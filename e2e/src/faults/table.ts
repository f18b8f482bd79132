import { faultKinds } from './plan.ts';
import type { RunResult } from './run.ts';

const row = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`;

const names = ['seed', ...faultKinds, 'jobs', 'attempts', 'events', 'violations', 'crashes', 'seconds'];

/** Head of a table of runs, in Markdown. */
export const tableHead: readonly string[] = [row(names), row(names.map(() => '--:'))];

/** A run as a row of it: its seed, how many faults of each kind, what the load came to, and the verdict. */
export const tableRow = ({
  seed,
  faults,
  jobs,
  attempts,
  events,
  violations,
  crashes,
  seconds,
}: RunResult): string =>
  row([
    seed,
    ...faultKinds.map((kind) => faults[kind] ?? 0),
    jobs,
    attempts,
    events,
    violations.length,
    crashes.length,
    seconds,
  ]);
