import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startTraffic } from '../traffic.ts';
import { type Fault, faultText, holders, planOf } from './plan.ts';
import { inject } from './inject.ts';
import { type PlannedJob, jobOf } from './load.ts';
import { startDevices } from './simulated-device.ts';
import { type Site, impatientClient, openSite } from './site.ts';
import { type Supervisor, supervise } from './supervise.ts';
import { type Verdict, reachVerdict } from './verdict.ts';

export interface RunOptions {
  readonly seed: number;
  readonly loadMs: number;
  readonly devices: number;
  readonly agents: number;
  readonly jobsPerSecond: number;
  /** Folder of the services' bundles; default as built. */
  readonly bundles?: string | undefined;
  readonly keep: boolean;
  /** Rejects when the run is to end before its time; the system is stopped then. */
  readonly interrupted: Promise<never>;
  readonly say: (line: string) => void;
}

export interface RunResult {
  readonly seed: number;
  readonly loadMs: number;
  /** How many of each kind were injected. */
  readonly faults: Readonly<Record<string, number>>;
  readonly disk: string;
  readonly jobs: number;
  readonly events: number;
  readonly attempts: number;
  /** Words of simulated devices that were compared with the log. */
  readonly words: number;
  readonly repeatedRequests: number;
  readonly crashes: readonly string[];
  readonly violations: readonly string[];
  readonly seconds: number;
  /** Where logs and events are, if they were kept. */
  readonly folder: string | null;
}

const groups = 4;

/** Which programs a fault may end on purpose; of a holder either replica, since it is found out late. */
const endedBy = ({ kind, victim }: Fault): readonly string[] => {
  if (kind !== 'kill' && kind !== 'restart') return [];
  if (victim.type === 'service') return [victim.program];
  if (victim.type === 'holder') return [holders[victim.holder], `${holders[victim.holder]}-2`];
  return victim.type === 'agent' ? [`real-${victim.number}`] : [];
};

/** Injects each fault at its time and mends it at its time; resolves when all are mended. */
const injectAll = async (
  site: Site,
  plan: readonly Fault[],
  supervisor: Supervisor,
  say: RunOptions['say'],
) => {
  const start = performance.now();
  const until = (atMs: number): Promise<void> => pause(Math.max(0, start + atMs - performance.now()));
  const one = async (fault: Fault): Promise<void> => {
    await until(fault.atMs);
    const programs = endedBy(fault);
    await supervisor.expecting(programs, async () => {
      const { victim, mend } = await inject(site, fault);
      say(`  ${faultText(fault)} → ${victim}`);
      await until(fault.atMs + fault.forMs);
      await mend();
    });
  };
  const results = await Promise.allSettled(plan.map(one));
  return results.flatMap((result, index) => {
    const fault = plan[index];
    if (result.status === 'fulfilled' || fault === undefined) return [];
    return [`fault: expected to inject and mend ${faultText(fault)}, got ${String(result.reason)}`];
  });
};

interface Load {
  readonly acknowledged: ReadonlySet<string>;
  readonly canceled: ReadonlyMap<string, string>;
  readonly markers: ReadonlyMap<string, string>;
  readonly repeatedRequests: number;
  readonly failures: readonly string[];
}

/** Creates jobs while `work` runs, and until each is acknowledged. */
const underLoad = async (site: Site, options: RunOptions, work: () => Promise<void>): Promise<Load> => {
  const targets = {
    devices: site.devices.map(({ deviceId }) => deviceId),
    agents: site.agents.map(({ deviceId }) => deviceId),
  };
  const planned = (index: number): PlannedJob => jobOf(options.seed, index, targets);
  const markers = new Map<string, string>();
  const traffic = startTraffic({
    client: impatientClient(site),
    perSecond: options.jobsPerSecond,
    mostAtOnce: 32,
    request: (index) => planned(index).request,
    cancels: (index) => planned(index).cancelAfterMs !== null,
    cancelAfterMs: (index) => planned(index).cancelAfterMs ?? 0,
    onAcknowledged: (index, jobId) => {
      const { marker } = planned(index);
      if (marker !== null) markers.set(jobId, marker);
    },
  });
  await work();
  const failures: string[] = [];
  await traffic.stop().catch((error: unknown) => {
    failures.push(`1: ${error instanceof Error ? error.message : String(error)}`);
  });
  const { acknowledged, canceled, refusals } = traffic;
  const repeatedRequests = [...refusals.values()].reduce((sum, count) => sum + count, 0);
  return { acknowledged, canceled, markers, repeatedRequests, failures };
};

const countKinds = (plan: readonly Fault[]): Readonly<Record<string, number>> =>
  Object.fromEntries(
    [...Map.groupBy(plan, ({ kind }) => kind)].map(([kind, faults]) => [kind, faults.length]),
  );

/** What somebody needs who looks for the cause: the plan, what was violated, the whole log, and what devices saw. */
const writeEvidence = async (
  folder: string,
  result: RunResult,
  plan: readonly Fault[],
  verdict: Verdict,
  words: readonly unknown[],
) => {
  const lines = (items: readonly unknown[]): string =>
    items.map((each) => `${JSON.stringify(each)}\n`).join('');
  await writeFile(join(folder, 'result.json'), `${JSON.stringify({ ...result, plan }, null, 2)}\n`);
  await writeFile(join(folder, 'events.jsonl'), lines(verdict.events));
  await writeFile(join(folder, 'words.jsonl'), lines(words));
};

const runOn = async (site: Site, options: RunOptions, started: number): Promise<RunResult> => {
  const { seed, loadMs, agents, say } = options;
  const plan = planOf({ seed, loadMs, agents, groups });
  const supervisor = supervise([
    ...site.stack.system.programs.values(),
    ...site.agents.map(({ program }) => program),
  ]);
  const devices = startDevices(site.devices);
  try {
    let broken: readonly string[] = [];
    const load = await underLoad(site, options, async () => {
      [broken] = await Promise.all([injectAll(site, plan, supervisor, say), pause(loadMs)]);
    });
    say(
      `  ${load.acknowledged.size} jobs acknowledged, ${load.repeatedRequests} requests repeated; settling`,
    );
    const verdict = await reachVerdict(site.stack, { ...load, words: devices.words });
    const crashes = supervisor.crashes.map((crash) => `process: ${crash}`);
    const violations = [...broken, ...crashes, ...load.failures, ...verdict.violations];
    const result: RunResult = {
      seed,
      loadMs,
      faults: countKinds(plan),
      disk: site.disk.means,
      jobs: load.acknowledged.size,
      events: verdict.events.length,
      attempts: verdict.events.filter(({ type }) => type === 'JobAssigned').length,
      words: devices.words.length,
      repeatedRequests: load.repeatedRequests,
      crashes: supervisor.crashes,
      violations,
      seconds: Math.round((performance.now() - started) / 1_000),
      folder: violations.length > 0 || options.keep ? site.stack.system.stateDir : null,
    };
    if (result.folder !== null) await writeEvidence(result.folder, result, plan, verdict, devices.words);
    return result;
  } finally {
    await supervisor.stop();
    await devices.stop();
  }
};

/**
 * One run: the whole system with two replicas of each service, jobs all the time, the faults of the seed, and the verdict on
 * the log when everything has come to rest. The folder stays where something was violated.
 */
export const runSeed = async (options: RunOptions): Promise<RunResult> => {
  const { seed, loadMs, devices, agents, bundles, say } = options;
  const started = performance.now();
  say(`seed ${seed}: ${loadMs / 1_000} s of load, plan:`);
  for (const fault of planOf({ seed, loadMs, agents, groups })) say(`  ${faultText(fault)}`);
  const site = await openSite({ devices, agents, groups, bundles });
  say(
    `  everything runs after ${Math.round((performance.now() - started) / 1_000)} s, disk of nats-server: ${site.disk.means}`,
  );
  let keep = true;
  try {
    const running = runOn(site, options, started);
    // After an interruption what still runs fails, because the system is stopped under it.
    running.catch(() => undefined);
    const result = await Promise.race([running, options.interrupted]);
    keep = result.folder !== null;
    return result;
  } finally {
    await site.close(keep);
  }
};
