/** Who uses the system in a run: a client in this process, devices in a process of their own. */
import { Client as Postgres } from 'pg';
import { Pool } from 'undici';
import type { System } from '@signalbox/tools/system';
import type { AgentOrders } from './agents.ts';
import { type Device, enrolDevice, requestJson } from './device.ts';
import { inParallel } from './measure.ts';
import { type Child, startChild } from './processes.ts';

export interface Fleet {
  readonly system: System;
  readonly devices: readonly Device[];
  readonly agents: Child<AgentOrders>;
  /** Reads as an auditor does. */
  readonly auditor: Postgres;
  /** Creates a job that does nothing on a device; answers its id once it is accepted. */
  createJob(device: Device): Promise<string>;
  close(): Promise<void>;
}

/** Enrols this many devices, some at a time. */
export const enrolDevices = async (system: System, count: number, prefix: string): Promise<Device[]> => {
  const [api, gateway] = [system.apiUrl, system.gatewayUrl].map((url) => new Pool(url, { connections: 32 }));
  if (api === undefined || gateway === undefined) throw new Error('expected two addresses, got less');
  const names = Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
  const devices = await inParallel(32, names, (name) => enrolDevice(api, gateway, system.adminKey, name));
  await Promise.all([api.close(), gateway.close()]);
  return devices;
};

const jobFor = (deviceId: string) => ({
  name: 'bench',
  document: {
    version: '1.0',
    steps: [{ name: 'nothing', type: 'runCommand', input: { command: ['true'] } }],
  },
  target: { type: 'device', ids: [deviceId] },
});

/** @param inFlight connections of the client */
export const openFleet = async (system: System, count: number, inFlight: number): Promise<Fleet> => {
  const devices = await enrolDevices(system, count, 'bench');
  const api = new Pool(system.apiUrl, { connections: inFlight });
  const auditor = new Postgres({ connectionString: system.auditUrl });
  await auditor.connect();
  const agents = startChild<AgentOrders>('agents.ts');
  const authorization = `Bearer ${system.adminKey}`;
  return {
    system,
    devices,
    agents,
    auditor,
    createJob: async ({ deviceId }) => {
      const created = await requestJson(api, 'POST', '/api/v1/jobs', jobFor(deviceId), authorization);
      return (created as { readonly jobId: string }).jobId;
    },
    close: async () => {
      await Promise.all([api.close(), auditor.end(), agents.stop()]);
    },
  };
};

/** The device whose turn it is. */
export const deviceOf = ({ devices }: Pick<Fleet, 'devices'>, index: number): Device => {
  const device = devices[index % devices.length];
  if (device === undefined) throw new RangeError('expected at least one device, got none');
  return device;
};

/** Runs `work` while the first `count` devices take jobs. */
export const whileDevicesRun = async <T>(fleet: Fleet, count: number, work: () => Promise<T>): Promise<T> => {
  const { agents, devices, system } = fleet;
  await agents.ask('start', { url: system.gatewayUrl, devices: devices.slice(0, count) });
  const result = await work();
  await agents.ask('stop', null);
  return result;
};
