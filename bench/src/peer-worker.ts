/** Program: the process that runs a peer's jobs, as `agents.ts` is for ours. */
import { ownCpuSeconds } from './cpu.ts';
import { openAuditWriter } from './peer-audit.ts';
import { type QueueAddress, openRunner } from './peer-queue.ts';
import { machineMs, serveOrders } from './processes.ts';

interface Start {
  readonly address: QueueAddress;
  readonly atOnce: number;
  /** Where the audit rows go; undefined: none are written. */
  readonly auditUrl?: string;
}

let offered: [jobId: string, atMs: number][] = [];
let ended = 0;
let close: () => Promise<void> = async () => undefined;

const orders = {
  start: async ({ address, atOnce, auditUrl }: Start) => {
    const audit = openAuditWriter(auditUrl);
    // As with us, nothing begins that the audit log does not know, and nothing has ended before its end is there.
    const work = async (jobId: string): Promise<void> => {
      await audit.write(jobId, 2, 3);
      offered.push([jobId, machineMs()]);
      await audit.write(jobId, 4);
    };
    const runner = await openRunner(address, atOnce, work, () => void (ended += 1));
    close = async () => {
      await runner.close();
      await audit.close();
    };
  },
  take: async (_: null) => {
    const taken = { offered, ended, cpuSeconds: ownCpuSeconds() };
    offered = [];
    return taken;
  },
  stop: (_: null) => close(),
};
export type PeerOrders = typeof orders;

serveOrders(orders);
