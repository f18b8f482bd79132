/**
 * CPU priority of what the bundled agent starts, and what it keeps of a flood of output. A double stands for the device
 * gateway only (testing/gateway-double.ts).
 */
import { statSync } from 'node:fs';
import { getPriority } from 'node:os';
import { describe, expect, it } from '@jest/globals';
import { eventually } from '@signalbox/testkit';
import { processesOf, useStage } from './testing/stage.ts';

const stage = useStage();
const nicenessOf = (pids: readonly number[]) => pids.map((pid) => getPriority(pid) - getPriority());

describe('the CPU priority of a step', () => {
  it('is lower than that of the agent, as far as it was told, with all that the step starts', async () => {
    const agent = stage().start(['--token', stage().gateway.token, '--niceness', '7']);
    const held = stage().gateway.shell('setsid sleep 600 & sleep 601 & echo up; wait', { killGraceMs: 100 });
    await stage().shows(held, 'up\n');
    await eventually(() => processesOf(held).length === 3);
    expect(nicenessOf(processesOf(held))).toEqual([7, 7, 7]);
    expect(nicenessOf([agent.pid])).toEqual([0]);
  });

  it('is lower also where the agent came late to it, because the machine was short of CPU', async () => {
    stage().startWith(`
      import os from 'node:os';
      import { existsSync } from 'node:fs';
      const { setPriority } = os;
      let isFirst = true;
      os.setPriority = (pid, niceness) => {
        const until = performance.now() + 20_000;
        while (isFirst && !existsSync(${JSON.stringify(`${stage().stateDir}/up`)}) && performance.now() < until);
        isFirst = false;
        setPriority(pid, niceness);
      };
    `);
    const deep = `sh -c 'sh -c "sleep 600; :"; :' & sleep 601 & sleep 0.5; touch ${stage().stateDir}/up; wait`;
    const held = stage().gateway.shell(deep, { killGraceMs: 100 });
    await eventually(() => stage().hasState('up'));
    await eventually(() => {
      const pids = processesOf(held);
      return pids.length === 5 && nicenessOf(pids).every((each) => each === 5);
    });
  });
});

describe('a step that writes more than the server takes', () => {
  it('waits for it: the disk holds no more than the spool is told to, and no lease is lost', async () => {
    const agent = stage().start(['--token', stage().gateway.token, '--output-spool', '256KiB']);
    stage().gateway.delayMs = (path) => (path.endsWith('/output') ? 400 : 0);
    const flood = 'for i in 1 2 3 4; do yes $(seq 1 30) & done; wait';
    const held = stage().gateway.shell(flood, { leaseMs: 1_500, killGraceMs: 100 });
    let most = 0;
    const look = setInterval(() => {
      const sizes = stage()
        .filesOf('output')
        .map((path) => statSync(path, { throwIfNoEntry: false })?.size ?? 0);
      most = Math.max(
        most,
        sizes.reduce((sum, size) => sum + size, 0),
      );
    }, 20);
    await eventually(() => held.renewals >= 6, { what: 'renewals', timeoutMs: 20_000 });
    clearInterval(look);
    expect(most).toBeGreaterThan(200_000);
    expect(most).toBeLessThan(800_000);
    expect(held.expiries).toBe(0);
    expect(agent.residentKib()).toBeLessThan(140_000);
    expect(held.text()).not.toContain('dropped');
  });
});
