/** What is measured of the system, in the order in which it disturbs least. */
import type { System } from '@signalbox/tools/system';
import { auditInserts, storeAppends, streamPublishes } from './ceilings.ts';
import { measurePolls } from './empty-polls.ts';
import { auditLag } from './audit-lag.ts';
import type { Figure, Measured } from './figure.ts';
import { measureFloors } from './floors.ts';
import { measureLongLog } from './long-log.ts';
import { type Fleet, openFleet } from './fleet.ts';
import { type IdleLatency, type Latency, idleLatency } from './latency.ts';
import type { BenchOptions } from './options.ts';
import { runPipeline } from './pipeline.ts';
import { measureRebuild } from './rebuild.ts';
import { listText } from './table.ts';

const warmUpJobs = 500;

const measureLatency = async (fleet: Fleet, { idleJobs }: BenchOptions): Promise<Measured> => {
  const { accepted, asked } = await idleLatency(fleet, idleJobs);
  const { offer } = await measureFloors(fleet.system.databaseUrl, idleJobs);
  const figure = (
    name: string,
    from: keyof IdleLatency,
    which: keyof Latency,
    aim?: Figure['aim'],
  ): Figure => ({
    measurement: 2,
    unit: 'ms',
    name,
    value: (from === 'accepted' ? accepted : asked)[which],
    ceiling: offer[which],
    ofPeer: (run) => run[from][which],
    ...(aim === undefined ? {} : { aim }),
  });
  return {
    figures: [
      figure('accepted → agent has it, idle, p50', 'accepted', 'p50Ms', { atMost: 8 }),
      figure('accepted → agent has it, idle, p99', 'accepted', 'p99Ms', { atMost: 30 }),
      figure('asked for → agent has it, idle, p50', 'asked', 'p50Ms'),
      figure('asked for → agent has it, idle, p99', 'asked', 'p99Ms'),
    ],
    notes: [
      '(2) the ceiling is the time of the raw steps between acceptance and offer, one after the other: two events through the stream, three commits',
    ],
  };
};

const measureLag = async (
  fleet: Fleet,
  { runMs, idleJobs }: BenchOptions,
  rate: number,
): Promise<Measured> => {
  const lag = await auditLag(fleet, rate / 2, runMs);
  const { audit } = await measureFloors(fleet.system.databaseUrl, idleJobs);
  const what = { measurement: 3, unit: 'ms' };
  return {
    figures: [
      {
        ...what,
        name: 'recorded → audit row visible, half load, p50',
        value: lag.p50Ms,
        ceiling: audit.p50Ms,
      },
      {
        ...what,
        name: 'recorded → audit row visible, half load, p99',
        value: lag.p99Ms,
        ceiling: audit.p99Ms,
        aim: { atMost: 200 },
      },
    ],
    notes: [
      `(3) ${lag.events} events at ${(rate / 2).toFixed(0)} jobs/s, looked at every ${lag.resolutionMs.toFixed(0)} ms (p99): a lag is at most that much too long`,
    ],
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
        ofPeer: (run) => run.jobsPerSecond,
      },
    ],
    notes: [
      `(1) jobs accepted ${acceptedPerSecond.toFixed(0)}/s; CPU per job: ${listText(cpuMsPerJob, 'ms')}`,
      `(1) ceilings, each alone, four a job: ${listText(ceilings, 'jobs/s')}; the lowest is in the table`,
    ],
  };
};

/** Runs what was asked for and tells of each result as it comes. (3) and (6) need the figure of (1). */
export const measureSystem = async (
  system: System,
  options: BenchOptions,
  say: (line: string) => void,
): Promise<Measured> => {
  const results: Measured[] = [];
  const wanted = (...numbers: readonly number[]): boolean => numbers.some((each) => options.only.has(each));
  const step = async (isWanted: boolean, work: () => Promise<Measured>): Promise<void> => {
    if (!isWanted) return;
    const begun = performance.now();
    const measured = await work();
    results.push(measured);
    say(`\n(${measured.figures[0]?.measurement}) took ${((performance.now() - begun) / 1000).toFixed(0)} s`);
    for (const { name, value, unit } of measured.figures) say(`  ${name}: ${value.toFixed(1)} ${unit}`);
    for (const note of measured.notes) say(`  ${note}`);
  };
  const rate = (): Figure => {
    const found = results.flatMap(({ figures }) => figures).find(({ measurement }) => measurement === 1);
    if (found === undefined) throw new Error('expected the figure of (1) before (3) and (6), got none');
    return found;
  };
  const fleet = await openFleet(system, options.devices, options.inFlight);
  try {
    await runPipeline(fleet, { jobs: Math.min(warmUpJobs, options.jobs), inFlight: options.inFlight });
    await step(wanted(2), () => measureLatency(fleet, options));
    await step(wanted(1, 3, 6), () => measureJobs(fleet, options));
    await step(wanted(3), () => measureLag(fleet, options, rate().value));
    await step(wanted(4), () =>
      measurePolls(system, { open: options.openPolls, connections: 64, forMs: options.runMs }),
    );
    await step(wanted(5), () => measureRebuild(system, options.rebuildEvents));
    await step(wanted(6), () => measureLongLog(fleet, options, rate()));
  } finally {
    await fleet.close();
  }
  const figures = results.flatMap((each) => each.figures);
  return {
    figures: figures.toSorted((a, b) => a.measurement - b.measurement),
    notes: results.flatMap((each) => each.notes),
  };
};
