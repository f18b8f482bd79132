/**
 * The bundled agent on each Node that it is made for, from enrolment to a crash, with the flags it is started with. A
 * double stands for the device gateway only (testing/gateway-double.ts).
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { eventually } from '@signalbox/testkit';
import { findNode } from './testing/nodes.ts';
import { processesOf, useStage } from './testing/stage.ts';

const stage = useStage();

const cases = [20, 22, 24].map((major) => ({ major, found: findNode(major) }));
for (const { found } of cases)
  if ('missing' in found) process.stderr.write(`SKIPPED: an agent on another Node: ${found.missing}\n`);

const title = (major: number, found: ReturnType<typeof findNode>) =>
  'missing' in found ? `SKIPPED: ${found.missing}` : `on Node ${major}`;

describe('the bundle', () => {
  for (const { major, found } of cases) {
    ('missing' in found ? it.skip : it)(
      `${title(major, found)} runs jobs, and goes on after a crash`,
      async () => {
        const how = { node: 'path' in found ? found.path : '' };
        const { gateway } = stage();
        const agent = stage().startOn(how.node);
        const short = gateway.shell('echo one; echo two >&2; printf three');
        expect(await stage().ended(short)).toMatchObject({
          status: 'SUCCEEDED',
          outputHash: short.stored.hash,
        });
        expect(agent.log).toContain(`"node":"v${major}.`);
        const canceled = gateway.shell('sleep 600', { killGraceMs: 200 });
        await eventually(() => processesOf(canceled).length > 0);
        gateway.cancel(canceled);
        expect((await stage().ended(canceled)).status).toBe('CANCELED');
        const mark = join(stage().stateDir, 'mark');
        const held = gateway.steps([
          ['first', 'seq 1 20000'],
          ['second', `echo up; [ -e ${mark} ] || sleep 600`, { onInterrupt: 'rerun' }],
        ]);
        await stage().shows(held, '\nup\n');
        await agent.kill();
        writeFileSync(mark, '');
        const again = stage().startOn(how.node);
        expect(await stage().ended(held, 20_000)).toMatchObject({
          status: 'SUCCEEDED',
          executedSteps: 2,
          outputHash: held.stored.hash,
        });
        again.signal('SIGTERM');
        expect(await again.exited).toEqual({ code: 0, signal: null });
      },
    );
  }
});
