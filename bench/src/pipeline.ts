/**
 * Jobs per second through the whole pipeline: POST → JobCreated → JobAssigned → claim → end, four events each in store,
 * stream and `audit_logs`. Devices are simulated on the real protocol; everything runs on this machine, the load included.
 */
import { Client as Postgres } from 'pg';
import { Pool } from 'undici';
import type { System } from '@signalbox/tools/system';
import { type Device, enrolDevice, requestJson, runDevice } from './device.ts';
import { inParallel } from './measure.ts';

export interface PipelineSettings {
  readonly devices: number;
  readonly jobs: number;
  /** Create requests that are under way at once. */
  readonly inFlight: number;
}

export interface PipelineResult {
  readonly acceptedPerSecond: number;
  /** From the first request to the last job's four rows in `audit_logs`. */
  readonly jobsPerSecond: number;
}

/** A job that does nothing on one device. */
export const jobFor = (deviceId: string) => ({
  name: 'bench',
  document: {
    version: '1.0',
    steps: [{ name: 'nothing', type: 'runCommand', input: { command: ['true'] } }],
  },
  target: { type: 'device', ids: [deviceId] },
});

/** Counting costs the database something: often enough to see the end, seldom enough not to weigh. */
const countEveryMs = 200;

/** Waits until the audit log has all rows of these jobs. */
const auditedRows = async (postgres: Postgres, rowsBefore: number, rows: number): Promise<void> => {
  for (;;) {
    const { rows: counted } = await postgres.query<{ count: string }>(
      'select count(*) as count from audit_logs',
    );
    if (Number(counted[0]?.count ?? 0) - rowsBefore >= rows) return;
    await new Promise((resolve) => setTimeout(resolve, countEveryMs));
  }
};

const countRows = async (postgres: Postgres): Promise<number> =>
  Number(
    (await postgres.query<{ count: string }>('select count(*) as count from audit_logs')).rows[0]?.count ?? 0,
  );

export interface Fleet {
  readonly api: Pool;
  readonly gateway: Pool;
  readonly devices: readonly Device[];
  readonly postgres: Postgres;
}

export const openFleet = async (system: System, count: number, inFlight: number): Promise<Fleet> => {
  const api = new Pool(system.apiUrl, { connections: inFlight });
  const gateway = new Pool(system.gatewayUrl, { connections: count + 8, bodyTimeout: 0, headersTimeout: 0 });
  const names = Array.from({ length: count }, (_, index) => `bench-${index}`);
  const devices = await inParallel(16, names, (name) => enrolDevice(api, gateway, system.adminKey, name));
  const postgres = new Postgres({ connectionString: system.auditUrl });
  await postgres.connect();
  return { api, gateway, devices, postgres };
};

export const closeFleet = async ({ api, gateway, postgres }: Fleet): Promise<void> => {
  await Promise.all([api.close(), gateway.close(), postgres.end()]);
};

/** Runs the jobs, spread evenly over the devices. */
export const runPipeline = async (
  fleet: Fleet,
  adminKey: string,
  { jobs, inFlight }: Pick<PipelineSettings, 'jobs' | 'inFlight'>,
): Promise<PipelineResult> => {
  const { api, gateway, devices, postgres } = fleet;
  const rowsBefore = await countRows(postgres);
  let isOver = false;
  const running = devices.map((device) => runDevice(gateway, device, () => isOver));
  const begun = performance.now();
  const numbers = Array.from({ length: jobs }, (_, index) => index);
  await inParallel(inFlight, numbers, async (index) => {
    const device = devices[index % devices.length];
    if (device === undefined) throw new RangeError('expected at least one device, got none');
    await requestJson(api, 'POST', '/api/v1/jobs', jobFor(device.deviceId), `Bearer ${adminKey}`);
  });
  const accepted = performance.now();
  await auditedRows(postgres, rowsBefore, jobs * 4);
  const audited = performance.now();
  isOver = true;
  await Promise.all(running);
  return {
    acceptedPerSecond: (jobs / (accepted - begun)) * 1000,
    jobsPerSecond: (jobs / (audited - begun)) * 1000,
  };
};
