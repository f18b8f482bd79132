/** Flags of `npm run bench`. */
import { parseArgs } from 'node:util';

export const usage = `usage: npm run bench [-- options]

Measures the whole system on this machine, beside its raw ceilings and beside BullMQ and graphile-worker.

  --only 1,2        some of the measurements:
                      1 jobs per second         2 time until an agent has a job   3 lag of the audit log
                      4 agents that only poll   5 rebuild of the projection       6 a long log
  --jobs N          jobs of (1), of each peer too; default 6000
  --in-flight N     create requests that are under way at once; default 128
  --devices N       devices that take the jobs, and jobs that a peer's worker runs at once; default 300
  --no-peers        leaves BullMQ and graphile-worker out
  --quick           tiny numbers: shows that the bench works, not how fast anything is
  --json FILE       writes all figures there
  --markdown FILE   writes the table there
  --keep-logs       leaves the folder with the services' logs behind
`;

export interface BenchOptions {
  readonly only: ReadonlySet<number>;
  readonly jobs: number;
  readonly inFlight: number;
  readonly devices: number;
  readonly peers: boolean;
  readonly json: string | undefined;
  readonly markdown: string | undefined;
  readonly keepLogs: boolean;
  /** Jobs of (2), one after the other. */
  readonly idleJobs: number;
  /** Length of (3) and of each run of empty polls. */
  readonly runMs: number;
  readonly openPolls: number;
  readonly rebuildEvents: number;
  readonly longLogEvents: number;
}

const measurements = [1, 2, 3, 4, 5, 6];

const countOf = (name: string, text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new Error(`expected --${name} to be a whole number from 1, got ${text}`);
  return value;
};

const onlyOf = (text: string | undefined): ReadonlySet<number> => {
  if (text === undefined) return new Set(measurements);
  const chosen = text.split(',').map(Number);
  const unknown = chosen.filter((number) => !measurements.includes(number));
  if (unknown.length > 0)
    throw new Error(
      `expected --only with numbers of ${measurements.join(',')}, such as --only 1,2, got ${text}`,
    );
  return new Set(chosen);
};

const sizes = {
  idleJobs: 300,
  runMs: 10_000,
  openPolls: 10_000,
  rebuildEvents: 200_000,
  longLogEvents: 1_000_000,
};
const quickSizes = { idleJobs: 10, runMs: 1_000, openPolls: 200, rebuildEvents: 2_000, longLogEvents: 4_000 };
const numbers = { jobs: '6000', 'in-flight': '128', devices: '300' };
const quickNumbers = { jobs: '200', 'in-flight': '16', devices: '20' };

/** Undefined: help was asked for. @throws Error that names the flag and what was expected */
export const benchOptions = (args: readonly string[]): BenchOptions | undefined => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      jobs: { type: 'string' },
      'in-flight': { type: 'string' },
      devices: { type: 'string' },
      'no-peers': { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      markdown: { type: 'string' },
      'keep-logs': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return undefined;
  const given = values.quick ? quickNumbers : numbers;
  const count = (name: 'jobs' | 'in-flight' | 'devices'): number =>
    countOf(name, values[name] ?? given[name]);
  return {
    ...(values.quick ? quickSizes : sizes),
    only: onlyOf(values.only),
    jobs: count('jobs'),
    inFlight: count('in-flight'),
    devices: count('devices'),
    peers: !values['no-peers'],
    json: values.json,
    markdown: values.markdown,
    keepLogs: values['keep-logs'],
  };
};
