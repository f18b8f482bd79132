/**
 * Resident memory of the bundled agent: idle, and after work. Prints a line for each Node and each set of flags.
 *
 *   node apps/agent/src/testing/memory.ts [--flags='--lite-mode'] [path of a node]...
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { eventually } from '@signalbox/testkit';
import { AgentProcess, createBench } from './agent-process.ts';
import { GatewayDouble } from './gateway-double.ts';

const starts = 3;
const idlePolls = 6;
const jobs = 100;

interface Sample {
  readonly idle: number;
  readonly idleOwn: number;
  readonly afterJobs: number;
  readonly afterOutput: number;
  /** CPU time of the process up to then, milliseconds. */
  readonly cpuMs: number;
}

const bench = await createBench();

/** User and system time; a tick is 10 ms. */
const cpuMsOf = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
};

const sample = async (node: string, flags: readonly string[]): Promise<Sample> => {
  const gateway = new GatewayDouble();
  await gateway.start();
  const settings = ['--server', gateway.url, '--state-dir', bench.folder(), '--token', gateway.token];
  const agent = new AgentProcess([...flags, bench.bundle, ...settings, '--poll-wait', '100ms'], {}, node);
  try {
    const polls = () => gateway.requests.filter((path) => path === '/poll').length;
    await eventually(() => polls() >= idlePolls, { what: 'idle polls', timeoutMs: 30_000 });
    const [idle, idleOwn] = [agent.residentKib(), agent.residentKib('RssAnon')];
    for (let count = 0; count < jobs; count += 1) {
      const held = gateway.shell('seq 1 100');
      await eventually(() => held.end, { what: 'an end', timeoutMs: 20_000, everyMs: 5 });
    }
    const afterJobs = agent.residentKib();
    const held = gateway.shell('seq 1 3000000');
    await eventually(() => held.end, { what: 'an end', timeoutMs: 120_000 });
    return { idle, idleOwn, afterJobs, afterOutput: agent.residentKib(), cpuMs: cpuMsOf(agent.pid) };
  } finally {
    await agent.kill();
    await gateway.stop();
  }
};

const middle = (values: readonly number[]): number =>
  [...values].sort((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN;

const megabytes = (samples: readonly Sample[], key: keyof Sample): string =>
  ((middle(samples.map((each) => each[key])) * 1024) / 1e6).toFixed(1);

const { values, positionals } = parseArgs({
  options: { flags: { type: 'string', multiple: true, default: [''] } },
  allowPositionals: true,
});
for (const node of positionals.length > 0 ? positionals : [process.execPath]) {
  for (const flags of values.flags) {
    const samples: Sample[] = [];
    for (let start = 0; start < starts; start += 1)
      samples.push(
        await sample(
          node,
          flags.split(' ').filter((word) => word !== ''),
        ),
      );
    const [idle, own] = [megabytes(samples, 'idle'), megabytes(samples, 'idleOwn')];
    const [later, last] = [megabytes(samples, 'afterJobs'), megabytes(samples, 'afterOutput')];
    process.stdout.write(
      `${node} ${flags}\n  MB resident: idle ${idle} (its own ${own}), after ${jobs} jobs ${later}, after 23 MB of output ${last}; CPU ${middle(samples.map((each) => each.cpuMs))} ms\n`,
    );
  }
}
bench.remove();
