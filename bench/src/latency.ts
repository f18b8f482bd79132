/** From a job's acceptance to a device having it, while nothing else happens: one job after the other, with a pause. */
import { setTimeout as pause } from 'node:timers/promises';
import { requestJson, runDevice } from './device.ts';
import { quantile } from './measure.ts';
import { type Fleet, jobFor } from './pipeline.ts';

const jobs = 100;
const devicesUsed = 10;
const pauseMs = 30;

export interface Latency {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export const idleLatency = async ({ api, gateway, devices }: Fleet, adminKey: string): Promise<Latency> => {
  const used = devices.slice(0, devicesUsed);
  const offered = new Map<string, number>();
  let wake = (): void => undefined;
  let isOver = false;
  const onOffer = (jobId: string): void => {
    offered.set(jobId, performance.now());
    wake();
  };
  const running = used.map((device) => runDevice(gateway, device, () => isOver, onOffer));
  const waits: number[] = [];
  for (let index = 0; index < jobs; index += 1) {
    const device = used[index % used.length];
    if (device === undefined) throw new RangeError('expected at least one device, got none');
    const created = await requestJson(
      api,
      'POST',
      '/api/v1/jobs',
      jobFor(device.deviceId),
      `Bearer ${adminKey}`,
    );
    const acceptedAt = performance.now();
    const { jobId } = created as { readonly jobId: string };
    while (!offered.has(jobId)) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    waits.push(Math.max(0, (offered.get(jobId) ?? acceptedAt) - acceptedAt));
    await pause(pauseMs);
  }
  isOver = true;
  await Promise.all(running);
  return { p50Ms: quantile(waits, 0.5), p99Ms: quantile(waits, 0.99) };
};
