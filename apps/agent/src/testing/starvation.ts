/**
 * How late leases are renewed when the agent and its steps share one CPU and one control group, as in a service of
 * systemd. Prints the longest time between two renewals; on time is a third of the lease. Needs root and Linux with the
 * control group `cpu` of version 1.
 *
 *   node apps/agent/src/testing/starvation.ts [how much lower the priority of steps is]...
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '@signalbox/testkit';
import { AgentProcess, createBench, processesWith } from './agent-process.ts';
import { GatewayDouble } from './gateway-double.ts';

const leaseMs = 2_000;
const loops = 100;
const forMs = 8_000;

const bench = await createBench();

const sample = async (niceness: string): Promise<string> => {
  const gateway = new GatewayDouble();
  await gateway.start();
  const group = join('/sys/fs/cgroup/cpu', `signalbox-${process.pid}-${niceness}`);
  mkdirSync(group);
  const times: number[] = [];
  gateway.intercept = (path) => {
    if (path.endsWith('/renew')) times.push(performance.now());
  };
  const settings = ['--server', gateway.url, '--state-dir', bench.folder(), '--token', gateway.token];
  const agent = new AgentProcess([bench.bundle, ...settings, '--niceness', niceness]);
  try {
    writeFileSync(join(group, 'cgroup.procs'), String(agent.pid));
    execFileSync('taskset', ['-a', '-cp', '0', String(agent.pid)], { stdio: 'ignore' });
    await eventually(() => gateway.requests.includes('/poll'), { what: 'a poll', timeoutMs: 20_000 });
    const command = `for i in $(seq 1 ${loops}); do while :; do :; done & done; wait`;
    const held = gateway.shell(command, { leaseMs, killGraceMs: 0, runTimeoutMs: forMs });
    await eventually(() => held.end, { what: 'the end', timeoutMs: 90_000 });
    await eventually(() => processesWith(held.ref.jobId).length === 0, { what: 'no process left' });
    const gaps = times.slice(1).map((at, index) => at - (times[index] ?? at));
    return `niceness ${niceness}: at most ${Math.round(Math.max(...gaps))} ms between renewals, leases lost: ${held.expiries}`;
  } finally {
    await agent.kill();
    await gateway.stop();
    await eventually(() => (rmdirSync(group), true), { what: 'the control group to be empty' });
  }
};

for (const niceness of process.argv.length > 2 ? process.argv.slice(2) : ['0', '5', '10', '19'])
  process.stdout.write(`${loops} busy loops, lease ${leaseMs} ms, ${await sample(niceness)}\n`);
bench.remove();
