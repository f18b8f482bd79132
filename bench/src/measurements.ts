/** What is measured of the system, in the order in which it disturbs least. */
import type { System } from '@signalbox/tools/system';
import { auditInserts, storeAppends, streamPublishes } from './ceilings.ts';
import { measurePolls } from './empty-polls.ts';
import type { Measured } from './figure.ts';
import { type Fleet, openFleet } from './fleet.ts';
import { idleLatency } from './latency.ts';
import type { BenchOptions } from './options.ts';
import { runPipeline } from './pipeline.ts';
import { measureRebuild } from './rebuild.ts';
import { listText } from './table.ts';

const warmUpJobs = 500;

const measureLatency = async (fleet: Fleet, { idleJobs }: BenchOptions): Promise<Measured> => {
  const { p50Ms, p99Ms } = await idleLatency(fleet, idleJobs);
  const what = { measurement: 2, unit: 'ms' };
  return {
    figures: [
      { ...what, name: 'accepted → agent has it, idle, p50', value: p50Ms, aim: { atMost: 8 } },
      { ...what, name: 'accepted → agent has it, idle, p99', value: p99Ms, aim: { atMost: 30 } },
    ],
    notes: [],
  };
};

const measureJobs = async (fleet: Fleet, { jobs, inFlight }: BenchOptions): Promise<Measured> => {
  const { jobsPerSecond, acceptedPerSecond, cpuMsPerJob } = await runPipeline(fleet, { jobs, inFlight });
  const { databaseUrl } = fleet.system;
  const ceilings = {
    'store appends': (await storeAppends(databaseUrl, inFlight)) / 4,
    'JetStream publishes': (await streamPublishes()) / 4,
    'audit rows': (await auditInserts(databaseUrl)) / 4,
  };
  return {
    figures: [
      {
        measurement: 1,
        name: 'jobs end to end, four events each',
        unit: 'jobs/s',
        value: jobsPerSecond,
        aim: { atLeast: 600 },
        ceiling: Math.min(...Object.values(ceilings)),
      },
    ],
    notes: [
      `(1) jobs accepted ${acceptedPerSecond.toFixed(0)}/s; CPU per job: ${listText(cpuMsPerJob, 'ms')}`,
      `(1) ceilings, each alone, four a job: ${listText(ceilings, 'jobs/s')}; the lowest is in the table`,
    ],
  };
};

/** Runs what was asked for and tells of each result as it comes. */
export const measureSystem = async (
  system: System,
  options: BenchOptions,
  say: (line: string) => void,
): Promise<Measured> => {
  const results: Measured[] = [];
  const step = async (number: number, work: () => Promise<Measured>): Promise<void> => {
    if (!options.only.has(number)) return;
    const begun = performance.now();
    const measured = await work();
    results.push(measured);
    say(`\n(${number}) took ${((performance.now() - begun) / 1000).toFixed(0)} s`);
    for (const { name, value, unit } of measured.figures) say(`  ${name}: ${value.toFixed(1)} ${unit}`);
    for (const note of measured.notes) say(`  ${note}`);
  };
  const fleet = await openFleet(system, options.devices, options.inFlight);
  try {
    await runPipeline(fleet, { jobs: Math.min(warmUpJobs, options.jobs), inFlight: options.inFlight });
    await step(2, () => measureLatency(fleet, options));
    await step(1, () => measureJobs(fleet, options));
    await step(4, () =>
      measurePolls(system, { open: options.openPolls, connections: 64, forMs: options.runMs }),
    );
    await step(5, () => measureRebuild(system, options.rebuildEvents));
  } finally {
    await fleet.close();
  }
  const figures = results.flatMap((each) => each.figures);
  return {
    figures: figures.toSorted((a, b) => a.measurement - b.measurement),
    notes: results.flatMap((each) => each.notes),
  };
};
