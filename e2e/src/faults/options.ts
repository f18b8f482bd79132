import { parseArgs } from 'node:util';
import { type Plant, isPlant, plants } from './plant.ts';

export const usage = `usage: npm run test:faults -- [--seed N | --seeds A-B] [--minutes M] [--devices N] [--agents N]
                                [--jobs-per-second N] [--plant ${plants.join('|')}] [--out file] [--keep]
       npm run test:faults -- --table file

Runs the whole system with two replicas of each service under load, injects the faults that follow from the seed, and
judges the log. Exit code 1 on any violation; the folder of that run is kept.

  --seed     seed of one run; default 1
  --seeds    seeds of several runs, one after the other
  --minutes  length of the load of each run; default 0.5
  --plant    runs a copy of the services with this bug in it, seed after seed, until it is found; exit code 1 if it is not
  --out      appends one line of JSON for each run to this file
  --table    prints the table of the runs in such a file, and runs nothing
  --keep     keeps the folder of every run
`;

export interface Options {
  readonly seeds: readonly number[];
  readonly minutes: number;
  readonly devices: number;
  readonly agents: number;
  readonly jobsPerSecond: number;
  readonly plant: Plant | null;
  readonly out: string | null;
  readonly table: string | null;
  readonly keep: boolean;
}

const wholeNumber = (flag: string, text: string, least: number): number => {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new Error(`expected ${flag} to be a whole number of at least ${least}, got ${text}`);
};

const seedsOf = (seed: string, seeds: string | undefined): readonly number[] => {
  if (seeds === undefined) return [wholeNumber('--seed', seed, 0)];
  const [from = '', to = from] = seeds.split('-');
  const [first, last] = [wholeNumber('--seeds', from, 0), wholeNumber('--seeds', to, 0)];
  if (last < first) throw new Error(`expected --seeds as <first>-<last>, got ${seeds}`);
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
};

/** @throws Error that names the flag and what was expected */
export const readOptions = (args: readonly string[]): Options | 'help' => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: 'string', default: '1' },
      seeds: { type: 'string' },
      minutes: { type: 'string', default: '0.5' },
      devices: { type: 'string', default: '24' },
      agents: { type: 'string', default: '3' },
      'jobs-per-second': { type: 'string', default: '10' },
      plant: { type: 'string' },
      out: { type: 'string' },
      table: { type: 'string' },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return 'help';
  const minutes = Number(values.minutes);
  if (!(minutes >= 0.05)) throw new Error(`expected --minutes of at least 0.05, got ${values.minutes}`);
  const { plant = null } = values;
  if (plant !== null && !isPlant(plant))
    throw new Error(`expected --plant to be one of ${plants.join(', ')}, got ${plant}`);
  return {
    seeds: seedsOf(values.seed, values.seeds),
    minutes,
    devices: wholeNumber('--devices', values.devices, 2),
    agents: wholeNumber('--agents', values.agents, 1),
    jobsPerSecond: wholeNumber('--jobs-per-second', values['jobs-per-second'], 1),
    plant,
    out: values.out ?? null,
    table: values.table ?? null,
    keep: values.keep,
  };
};
