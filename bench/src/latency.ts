/** From a job's acceptance to a device having it, while nothing else happens: one job after the other, with a pause. */
import { setTimeout as pause } from 'node:timers/promises';
import { type Fleet, deviceOf, whileDevicesRun } from './fleet.ts';
import { quantile } from './measure.ts';
import { machineMs } from './processes.ts';

const devicesUsed = 10;
const pauseMs = 20;

export interface Latency {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** The two quantiles that are shown, of all values. */
export const latencyOf = (values: readonly number[]): Latency => ({
  p50Ms: quantile(values, 0.5),
  p99Ms: quantile(values, 0.99),
});

/** Waits until a device has the job; the look costs little and is not what is measured. */
const offered = async ({ agents }: Fleet, wanted: string, offers: Map<string, number>): Promise<void> => {
  for (;;) {
    const taken = await agents.ask('take', null);
    for (const [jobId, atMs] of taken.offered) offers.set(jobId, atMs);
    if (offers.has(wanted)) return;
    await pause(pauseMs);
  }
};

/** One wait per job, from the request and from its acceptance. */
export interface IdleLatency {
  readonly asked: Latency;
  readonly accepted: Latency;
}

export const idleLatency = (fleet: Fleet, jobs: number): Promise<IdleLatency> =>
  whileDevicesRun(fleet, devicesUsed, async () => {
    const offers = new Map<string, number>();
    const created: { readonly jobId: string; readonly asked: number; readonly accepted: number }[] = [];
    for (let index = 0; index < jobs; index += 1) {
      await pause(pauseMs);
      const asked = machineMs();
      const jobId = await fleet.createJob(deviceOf(fleet, index % devicesUsed));
      created.push({ jobId, asked, accepted: machineMs() });
      await pause(pauseMs);
      await offered(fleet, jobId, offers);
    }
    const since = (from: 'asked' | 'accepted'): Latency =>
      latencyOf(created.map((each) => Math.max(0, (offers.get(each.jobId) ?? Number.NaN) - each[from])));
    return { asked: since('asked'), accepted: since('accepted') };
  });
