/**
 * `npm run bench`: one table of what the system does, beside the raw ceilings of the same machine and beside others that
 * do the same number of jobs. Each service is a process of its own, as in production. Compare figures of one run only.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildAll } from '@signalbox/tools/build';
import { startSystem } from '@signalbox/tools/system';
import type { Figure } from './figure.ts';
import { describeMachine } from './machine.ts';
import { measureSystem } from './measurements.ts';
import { type BenchOptions, benchOptions, usage } from './options.ts';
import { runPeers, withPeers } from './peers.ts';
import { tableText } from './table.ts';

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

interface Run {
  readonly facts: readonly string[];
  readonly figures: readonly Figure[];
  readonly notes: readonly string[];
}

const runAll = async (options: BenchOptions): Promise<Run> => {
  const stateDir = await mkdtemp(join(tmpdir(), 'signalbox-bench-'));
  await buildAll();
  const system = await startSystem({ stateDir, port: 0, separate: true });
  try {
    const { jobs, inFlight, devices } = options;
    const facts = [
      ...(await describeMachine(system)),
      `settings: ${jobs} jobs, ${inFlight} create requests under way, ${devices} devices; each service its own process`,
    ];
    for (const line of facts) say(line);
    const { figures, notes } = await measureSystem(system, options, say);
    return { facts, figures, notes };
  } finally {
    await system.stop();
    if (!options.keepLogs) await rm(stateDir, { recursive: true, force: true });
  }
};

const markdownOf = ({ facts, figures, notes }: Run): string => {
  const list = (lines: readonly string[]): string => lines.map((line) => `- ${line}\n`).join('');
  return `${list(facts)}\n${tableText(figures)}\n\n${list(notes)}`;
};

const main = async (): Promise<void> => {
  const options = benchOptions(process.argv.slice(2));
  if (options === undefined) return say(usage);
  const ours = await runAll(options);
  const withQueues = options.peers && ours.figures.some(({ ofPeer }) => ofPeer !== undefined);
  const run = withQueues ? { ...ours, figures: withPeers(ours.figures, await runPeers(options, say)) } : ours;
  say(`\n${tableText(run.figures)}\n`);
  for (const note of run.notes) say(`- ${note}`);
  if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(run, null, 2)}\n`);
  if (options.markdown !== undefined) await writeFile(options.markdown, markdownOf(run));
};

try {
  await main();
  process.exit(0);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exit(1);
}
