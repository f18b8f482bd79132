/** Program: all simulated devices of a run, in one process of their own. */
import { Pool } from 'undici';
import { ownCpuSeconds } from './cpu.ts';
import { type Device, runDevice } from './device.ts';
import { machineMs, serveOrders } from './processes.ts';

let gateway: Pool | undefined;
let isOver = false;
let running: Promise<unknown> = Promise.resolve();
let offered: [jobId: string, atMs: number][] = [];
let ended = 0;

const orders = {
  /** The devices begin to take jobs, each on a connection of its own. */
  start: async ({ url, devices }: { readonly url: string; readonly devices: readonly Device[] }) => {
    const pool = new Pool(url, { connections: devices.length + 8, bodyTimeout: 0, headersTimeout: 0 });
    gateway = pool;
    isOver = false;
    const hear = {
      offer: (jobId: string) => void offered.push([jobId, machineMs()]),
      end: () => void (ended += 1),
    };
    running = Promise.all(devices.map((device) => runDevice(pool, device, () => isOver, hear)));
    running.catch((error: unknown) => {
      console.error(error);
      process.exit(1);
    });
  },
  /** What was offered since the last call, with the instants by the machine's clock; how many jobs have ended in all. */
  take: async (_: null) => {
    const taken = { offered, ended, cpuSeconds: ownCpuSeconds() };
    offered = [];
    return taken;
  },
  /** The devices go after their present poll or job. */
  stop: async (_: null) => {
    isOver = true;
    await running;
    await gateway?.close();
  },
};
export type AgentOrders = typeof orders;

serveOrders(orders);
