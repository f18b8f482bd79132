/**
 * `npm run test:faults -- --seed N --minutes M`: one run with the faults of a seed; `-- --seeds 1-50` runs many, one after the
 * other; `-- --plant fencing` runs with a planted bug that must be found. Exit code 1 on any violation.
 */
import { appendFile } from 'node:fs/promises';
import { buildAll } from '@signalbox/tools/build';
import { readOptions, usage } from './options.ts';
import { plantBug } from './plant.ts';
import { type RunResult, runSeed } from './run.ts';
import { tableHead, tableRow } from './table.ts';

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const main = async (): Promise<void> => {
  const options = readOptions(process.argv.slice(2));
  if (options === 'help') return say(usage);
  const { seeds, minutes, plant, out } = options;

  await buildAll();
  const planted = plant === null ? undefined : await plantBug(plant);
  if (planted !== undefined) say(`planted in a copy of the bundles: ${planted.what}`);
  const results: RunResult[] = [];
  for (const seed of seeds) {
    const result = await runSeed({
      ...options,
      seed,
      loadMs: minutes * 60_000,
      bundles: planted?.bundles,
      say,
    });
    results.push(result);
    if (out !== null) await appendFile(out, `${JSON.stringify(result)}\n`);
    for (const violation of result.violations.slice(0, 50)) say(`  VIOLATED ${violation}`);
    for (const crash of result.crashes) say(`  CRASHED ${crash}`);
    if (result.folder !== null) say(`  kept: ${result.folder}`);
    if (result.violations.length > 0)
      say(`  replay: npm run test:faults -- --seed ${seed} --minutes ${minutes}`);
    if (plant !== null && result.violations.length > 0) break;
  }
  await planted?.remove();
  say(`\n${[...tableHead, ...results.map(tableRow)].join('\n')}`);
  const isViolated = results.some(({ violations }) => violations.length > 0);
  if (plant !== null) say(isViolated ? `the planted bug was found` : `the planted bug was NOT found`);
  process.exitCode = isViolated === (plant !== null) ? 0 : 1;
};

try {
  await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 2;
}
