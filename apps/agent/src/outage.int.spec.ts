/**
 * Output and leases of the bundled agent while the server is away or forgetful. A double stands for the device
 * gateway only (testing/gateway-double.ts).
 */
import { readFileSync } from 'node:fs';
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

  it('makes a program wait rather than lose its output', async () => {
    const agent = stage().start(['--token', stage().gateway.token, '--output-buffer', '256KiB']);
    let isAway = false;
    stage().gateway.intercept = (path) => {
      if (isAway && path.endsWith('/output')) throw new DomainError('unavailable', 'expected to be up');
    };
    const held = stage().gateway.shell('echo up; read -t 0.4 < <(sleep 9); seq 1 500000; echo end >&2');
    await stage().shows(held, 'up\n');
    isAway = true;
    const writer = await eventually(() => processesOf(held).find((pid) => nameOf(pid) === 'seq') ?? null);
    await eventually(() => agent.log.split('output not taken').length > 4);
    expect(nameOf(writer)).toBe('seq');
    expect(agent.residentKib()).toBeLessThan(80_000);
    expect(held.end).toBeNull();
    isAway = false;
    expect((await stage().ended(held, 20_000)).status).toBe('SUCCEEDED');
    expect(held.text()).toContain(`\n${lines(500_000)}`);
    expect(held.text('stderr')).toContain('end\n');
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

const nameOf = (pid: number): string => readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
