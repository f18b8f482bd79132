/**
 * Output and leases of the bundled agent while the server is away or forgetful. A double stands for the device
 * gateway only (testing/gateway-double.ts).
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { DomainError } from '@signalbox/contracts';
import { eventually } from '@signalbox/testkit';
import { processesOf, useStage } from './testing/stage.ts';

const stage = useStage();

const lines = (count: number) => Array.from({ length: count }, (_, index) => `${index + 1}\n`).join('');

describe('a server that is away', () => {
  it('gets the whole output when it is back', async () => {
    const agent = stage().start();
    const held = stage().gateway.shell('for i in $(seq 1 40); do echo $i; sleep 0.05; done', {
      leaseMs: 900,
    });
    await stage().shows(held, '\n5\n');
    await stage().gateway.stop();
    await eventually(() => agent.log.includes('output not taken'));
    await eventually(() => processesOf(held).length === 0);
    await stage().gateway.start();
    expect(await stage().ended(held, 20_000)).toMatchObject({
      status: 'SUCCEEDED',
      outputHash: held.stored.hash,
    });
    expect(held.text().split('done\n')[1]).toBe(lines(40));
  });

  it('drops what its spool does not hold, says so in the output, and keeps its memory', async () => {
    const agent = stage().start(['--token', stage().gateway.token, '--output-spool', '256KiB']);
    let isAway = false;
    stage().gateway.intercept = (path) => {
      if (isAway && path.endsWith('/output')) throw new DomainError('unavailable', 'expected to be up');
    };
    const through = join(stage().stateDir, 'through');
    const held = stage().gateway.shell(
      `echo up; read -t 0.4 < <(sleep 9); seq 1 500000; touch ${through}; until [ -e ${through}.on ]; do sleep 0.1; done`,
    );
    await stage().shows(held, 'up\n');
    isAway = true;
    // The program is not held up for longer than it takes to see that the server is away.
    await eventually(() => stage().hasState('through'), { what: 'the program to go on', timeoutMs: 20_000 });
    expect(agent.residentKib()).toBeLessThan(90_000);
    isAway = false;
    writeFileSync(`${through}.on`, '');
    expect(await stage().ended(held, 30_000)).toMatchObject({
      status: 'SUCCEEDED',
      outputHash: held.stored.hash,
    });
    const text = held.text();
    expect(text).toMatch(/\[signalbox-agent\] output is dropped from here on: the output spool is full/);
    const [before = '', , after = ''] = text.split(/\n\[signalbox-agent\] [^\n]*\n/);
    const [, dropped] = /(\d+) bytes of stdout were dropped here/.exec(text) ?? [];
    const whole = lines(500_000);
    const kept = before.slice(before.indexOf('\n1\n') + 1);
    expect(whole.startsWith(kept)).toBe(true);
    expect(whole.endsWith(after)).toBe(true);
    expect(kept.length + after.length + Number(dropped)).toBe(whole.length);
  });

  it('gets all of an output that is larger than the spool while it takes it', async () => {
    stage().start(['--token', stage().gateway.token, '--output-spool', '256KiB']);
    const held = stage().gateway.shell('seq 1 500000; echo end >&2');
    expect((await stage().ended(held, 30_000)).status).toBe('SUCCEEDED');
    expect(held.text()).toContain(`\n${lines(500_000)}`);
    expect(held.text('stderr')).toBe('end\n');
  });

  it('gets the end of an attempt once, however often the answer is lost', async () => {
    let losses = 2;
    stage().start();
    const held = stage().gateway.shell('echo hi');
    stage().gateway.intercept = (path) => {
      if (path.endsWith('/status') && losses > 0) {
        losses -= 1;
        throw new DomainError('unavailable', 'expected to be up');
      }
    };
    expect((await stage().ended(held)).status).toBe('SUCCEEDED');
    expect(held.text()).toBe('$ echo hi\nhi\n');
  });
});

describe('a server that lost output', () => {
  it('gets it again from where it says', async () => {
    stage().start();
    const held = stage().gateway.shell('for i in $(seq 1 12); do echo $i; sleep 0.15; done');
    await eventually(() => held.chunks.length > 4);
    held.forgetFrom(3);
    expect((await stage().ended(held)).status).toBe('SUCCEEDED');
    expect(held.text().split('done\n')[1]).toBe(lines(12));
    expect(held.end?.outputHash).toBe(held.stored.hash);
  });

  it('still gets the end when what it wants is not to be had', async () => {
    stage().start();
    stage().gateway.intercept = (path, body) => {
      if (!path.endsWith('/output') && !JSON.stringify(body).includes('outputHash')) return;
      throw new DomainError('output-gap', 'expected another sequence', { expected: { nextSequence: 99 } });
    };
    const held = stage().gateway.shell('for i in 1 2 3 4; do echo $i; sleep 0.2; done');
    const end = await stage().ended(held);
    expect(end.status).toBe('SUCCEEDED');
    expect(end).not.toHaveProperty('outputHash');
    expect(end.reason?.message).toContain('incomplete');
  });
});

describe('leases', () => {
  it('are renewed every third of their life, whatever the output does', async () => {
    stage().gateway.intercept = (path) => {
      if (path.endsWith('/output')) throw new DomainError('unavailable', 'expected to be up');
    };
    stage().start();
    const held = stage().gateway.shell('echo stuck; sleep 2.4', { leaseMs: 1_500 });
    await eventually(() => held.renewals >= 4);
    expect(held.end).toBeNull();
    expect((await stage().ended(held)).status).toBe('SUCCEEDED');
  });
});
