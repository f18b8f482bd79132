/** From an event's recording to its row being visible to an auditor, by the database's clock, at a steady load. */
import { setTimeout as pause } from 'node:timers/promises';
import { type Fleet, deviceOf, whileDevicesRun } from './fleet.ts';
import { type Latency, latencyOf } from './latency.ts';
import { quantile } from './measure.ts';
import { newest } from './pipeline.ts';

/** Each look sees the rows that have become visible since the last one; a lag is at most one look too long. */
const looks = `
  select position, extract(epoch from clock_timestamp() - recorded_at) * 1000 as lag_ms
  from audit_logs where position > $1 order by position`;
const lookEveryMs = 5;

export interface Lag extends Latency {
  readonly events: number;
  /** p99 of the time between two looks. */
  readonly resolutionMs: number;
}

/** Creates jobs at a steady rate, however long each takes. */
const createSteadily = async (fleet: Fleet, perSecond: number, forMs: number): Promise<number> => {
  const jobs = Math.max(1, Math.round((perSecond * forMs) / 1000));
  const begun = performance.now();
  const created: Promise<string>[] = [];
  for (let index = 0; index < jobs; index += 1) {
    const dueMs = begun + (index * 1000) / perSecond - performance.now();
    if (dueMs > 1) await pause(dueMs);
    created.push(fleet.createJob(deviceOf(fleet, index)));
  }
  await Promise.all(created);
  return jobs;
};

export const auditLag = (fleet: Fleet, jobsPerSecond: number, forMs: number): Promise<Lag> =>
  whileDevicesRun(fleet, fleet.devices.length, async () => {
    let position = await newest(fleet);
    const lags: number[] = [];
    const intervals: number[] = [];
    let expected = Infinity;
    const look = async (): Promise<void> => {
      for (let last = performance.now(); lags.length < expected; last = performance.now()) {
        await pause(lookEveryMs);
        const { rows } = await fleet.auditor.query<{ position: string; lag_ms: string }>({
          name: 'bench-lag',
          text: looks,
          values: [position],
        });
        intervals.push(performance.now() - last);
        for (const row of rows) lags.push(Number(row.lag_ms));
        position = rows.at(-1)?.position ?? position;
      }
    };
    const looking = look();
    expected = (await createSteadily(fleet, jobsPerSecond, forMs)) * 4;
    await looking;
    return { ...latencyOf(lags), events: lags.length, resolutionMs: quantile(intervals, 0.99) };
  });
