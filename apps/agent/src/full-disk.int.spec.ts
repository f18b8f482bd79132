/**
 * The bundled agent on a disk that is full, a file system of its own in memory. A double stands for the device gateway
 * only (testing/gateway-double.ts).
 */
import { execFileSync } from 'node:child_process';
import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { DomainError } from '@signalbox/contracts';
import { eventually } from '@signalbox/testkit';
import { useStage } from './testing/stage.ts';

const stage = useStage();

/** Why no file system can be mounted here; undefined where it can. */
const missing = ((): string | undefined => {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'needs root on Linux';
  try {
    execFileSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], { stdio: 'pipe' });
    return undefined;
  } catch {
    return 'needs the right to mount';
  }
})();
if (missing !== undefined) process.stderr.write(`SKIPPED: a full disk: ${missing}\n`);
const title = (text: string) => (missing === undefined ? text : `SKIPPED: ${missing}: ${text}`);

let mounted: string | undefined;
const mount = (size: string): void => {
  mounted = stage().stateDir;
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=700`, 'tmpfs', mounted]);
};
afterEach(() => {
  if (mounted !== undefined) execFileSync('umount', ['--lazy', mounted]);
  mounted = undefined;
});

const filler = () => join(stage().stateDir, 'filler');
/** Takes all space that is left. */
const fill = (): void => {
  const { bavail, bsize } = statfsSync(stage().stateDir);
  writeFileSync(filler(), Buffer.alloc(bavail * bsize));
};

(missing === undefined ? describe : describe.skip)(title('a full disk'), () => {
  it('fails an attempt with a reason before any of it runs, and the agent goes on once there is space', async () => {
    mount('512k');
    stage().start();
    await eventually(() => stage().gateway.requests.includes('/poll'));
    fill();
    const end = await stage().ended(stage().gateway.shell('touch /dev/null; echo ran'));
    expect(end).toMatchObject({ status: 'FAILED', executedSteps: 0, reason: { code: 'start-failed' } });
    expect(end.reason?.message).toMatch(/ENOSPC|full disk/);
    rmSync(filler());
    expect((await stage().ended(stage().gateway.shell('echo ran'))).status).toBe('SUCCEEDED');
  });

  it('lets no further step start than the journal can hold, and says how many did', async () => {
    mount('512k');
    stage().start();
    const held = stage().gateway.steps([
      ['first', `echo did one; dd if=/dev/zero of=${filler()} bs=4k status=none; true`],
      ...Array.from({ length: 60 }, (_, index): readonly [string, string] => [`step ${index}`, 'true']),
      ['last', 'echo did last'],
    ]);
    const end = await stage().ended(held, 20_000);
    expect(end).toMatchObject({ status: 'FAILED', reason: { code: 'start-failed' } });
    expect(end.reason?.message).toMatch(/ENOSPC|full disk/);
    expect(end.executedSteps).toBeGreaterThan(0);
    expect(held.text()).not.toContain('did last');
  });

  it('drops output with a mark, in its place, and the attempt goes on', async () => {
    mount('512k');
    let isAway = false;
    stage().gateway.intercept = (path) => {
      if (isAway && path.endsWith('/output')) throw new DomainError('unavailable', 'expected to be up');
    };
    const agent = stage().start();
    const { stateDir } = stage();
    const go = (name: string) => `until [ -e ${stateDir}.${name} ]; do sleep 0.05; done`;
    const held = stage().gateway.shell(`echo up; ${go('write')}; seq 1 300000; ${go('end')}; echo last`);
    try {
      await stage().shows(held, 'up\n');
      isAway = true;
      writeFileSync(`${stateDir}.write`, '');
      await eventually(() => agent.log.includes('output not kept'), {
        what: 'a full disk',
        timeoutMs: 20_000,
      });
      isAway = false;
      writeFileSync(`${stateDir}.end`, '');
      const end = await stage().ended(held, 30_000);
      expect(end).toMatchObject({ status: 'SUCCEEDED', outputHash: held.stored.hash });
      const text = held.text();
      const dropped = [...text.matchAll(/(\d+) bytes of stdout were dropped here/g)];
      const whole = Array.from({ length: 300_000 }, (_, index) => `${index + 1}\n`).join('');
      const kept = text.slice(text.indexOf('\n1\n') + 1);
      const keptBytes = kept.replaceAll(/\n\[signalbox-agent\] [^\n]*\n/g, '').length;
      const droppedBytes = dropped.reduce((sum, [, bytes]) => sum + Number(bytes), 0);
      // Where not even the mark found space, the end of the attempt says it.
      const isTold = end.reason?.message.includes('its output is incomplete') === true;
      expect(keptBytes).toBeLessThan(whole.length);
      expect(isTold || keptBytes + droppedBytes === `${whole}last\n`.length).toBe(true);
      expect(isTold || text.includes('output is dropped from here on: the disk takes no more')).toBe(true);
    } finally {
      for (const name of ['write', 'end']) rmSync(`${stateDir}.${name}`, { force: true });
    }
  });

  it('costs the end of an attempt nothing while the agent runs', async () => {
    mount('512k');
    stage().start();
    const held = stage().gateway.shell(`dd if=/dev/zero of=${filler()} bs=4k status=none; exit 3`);
    expect(await stage().ended(held)).toMatchObject({ status: 'FAILED', exitCode: 3 });
  });
});
