import { readFile, readdir } from 'node:fs/promises';
import { AgentView, pageOf } from '@signalbox/contracts';
import { eventually } from '@signalbox/testkit';
import type { AgentStart, Program } from '@signalbox/tools/system';
import type { Stack } from './stack.ts';

/** The real agent as a process, and the device that it is. */
export interface RunningAgent {
  readonly program: Program;
  readonly agentId: string;
  readonly deviceId: string;
}

/** Starts a new agent and waits until it is enrolled. */
export const startAgent = async (stack: Stack, name: string, how: AgentStart = {}): Promise<RunningAgent> => {
  const node = process.env['SIGNALBOX_TEST_AGENT_NODE'];
  const program = await stack.system.startAgent(name, { node, ...how });
  const found = await eventually(
    async () => {
      const { items } = pageOf(AgentView).parse(await stack.admin.get('/api/v1/agents?limit=500'));
      return items.find((each) => each.name === name) ?? null;
    },
    { what: `agent ${name} to enrol`, timeoutMs: 20_000, everyMs: 50 },
  );
  return { program, agentId: found.agentId, deviceId: found.deviceId ?? found.agentId };
};

let sleeps = 0;

/** A command that sleeps as long as no other on this machine does: its text names the processes of one test. */
export const uniqueSleep = (): string => {
  sleeps += 1;
  return `sleep ${process.pid}${String(sleeps).padStart(3, '0')}`;
};

/** Ids of processes on this machine whose command line contains a text that only a test knows. */
export const processesWith = async (text: string): Promise<readonly number[]> => {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      return words.replaceAll('\0', ' ').includes(text) ? Number(pid) : undefined;
    }),
  );
  return found.filter((pid) => pid !== undefined);
};

/** Waits until processes with a text in their command line run. */
export const untilRunning = (text: string, count = 1): Promise<readonly number[]> =>
  eventually(
    async () => {
      const pids = await processesWith(text);
      return pids.length >= count && pids;
    },
    { what: `${count} processes with "${text}"`, everyMs: 50 },
  );

/** Waits until none is left; answers after how many milliseconds. */
export const untilGone = async (text: string, timeoutMs: number): Promise<number> => {
  const start = performance.now();
  await eventually(async () => (await processesWith(text)).length === 0, {
    what: `no process with "${text}"`,
    timeoutMs,
    everyMs: 50,
  });
  return performance.now() - start;
};
