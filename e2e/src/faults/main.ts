/**
 * `npm run test:faults -- --seed N --minutes M`: one run with the faults of a seed; `-- --seeds 1-50` runs many, one after the
 * other; `-- --plant fencing` runs with a planted bug that must be found. Exit code 1 on any violation.
 */
import { appendFile } from 'node:fs/promises';
import { buildAll } from '@signalbox/tools/build';
import { stopSignal } from '@signalbox/tools/system';
import { type Options, readOptions, usage } from './options.ts';
import { plantBug } from './plant.ts';
import { type RunResult, runSeed } from './run.ts';
import { readResults, tableOf } from './table.ts';

const mostShown = 50;

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** Rejects at Ctrl-C, so that the system is stopped and what was mounted is given back. */
const interruption = async (): Promise<never> => {
  await stopSignal();
  throw new Error('expected the run to end by itself, got a signal');
};

const tell = (result: RunResult, minutes: number): void => {
  const { seed, violations, folder } = result;
  for (const violation of violations.slice(0, mostShown)) say(`  VIOLATED ${violation}`);
  if (folder !== null) say(`  kept: ${folder}`);
  if (violations.length > 0) say(`  replay: npm run test:faults -- --seed ${seed} --minutes ${minutes}`);
};

const runAll = async (options: Options, bundles: string | undefined): Promise<readonly RunResult[]> => {
  const { seeds, minutes, plant, out } = options;
  const interrupted = interruption();
  interrupted.catch(() => undefined);
  const results: RunResult[] = [];
  for (const seed of seeds) {
    const result = await runSeed({ ...options, seed, loadMs: minutes * 60_000, bundles, interrupted, say });
    results.push(result);
    if (out !== null) await appendFile(out, `${JSON.stringify(result)}\n`);
    tell(result, minutes);
    if (plant !== null && result.violations.length > 0) break;
  }
  return results;
};

const main = async (): Promise<void> => {
  const options = readOptions(process.argv.slice(2));
  if (options === 'help') return say(usage);
  const { plant, table } = options;
  if (table !== null) return say(tableOf(await readResults(table)).join('\n'));
  await buildAll();
  const planted = plant === null ? undefined : await plantBug(plant);
  if (planted !== undefined) say(`planted in a copy of the bundles: ${planted.what}`);
  const results = await runAll(options, planted?.bundles).finally(() => planted?.remove());
  say(`\n${tableOf(results).join('\n')}`);
  const isViolated = results.some(({ violations }) => violations.length > 0);
  if (plant !== null) say(isViolated ? 'the planted bug was found' : 'the planted bug was NOT found');
  process.exitCode = isViolated === (plant !== null) ? 0 : 1;
};

try {
  await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 2;
}
