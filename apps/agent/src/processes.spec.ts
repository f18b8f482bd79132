import { describe, expect, it } from '@jest/globals';
import { childEnvironment } from './environment.ts';
import { paceMs } from './polling.ts';
import { parseStat } from './proc.ts';
import { argvOf } from './step-process.ts';

const ref = { jobId: '0198a0f4-5a8e-7c0e-9d5b-3f6d0a4c1b2e', targetId: 'device-1', attempt: 2 };

describe('processes of an attempt', () => {
  it('reads a line of /proc whatever the program is called', () => {
    const rest = '1 4242 4200 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 99887766 1000 200';
    for (const name of ['sleep', 'a) Z 1 (b', '( )']) {
      expect(parseStat(`4243 (${name}) S ${rest}\n`)).toEqual({
        pid: 4243,
        state: 'S',
        group: 4242,
        session: 4200,
        startTicks: 99_887_766,
      });
    }
    expect(parseStat('')).toBeUndefined();
    expect(parseStat('1 (x) S 1')).toBeUndefined();
  });

  it('runs a shell line with bash, with sh where there is no bash, and argv without a shell', () => {
    const shell = { kind: 'shell', command: 'echo a | wc' } as const;
    expect(argvOf(shell, { PATH: '/no/such/folder:/usr/bin:/bin' })).toEqual(['bash', '-c', 'echo a | wc']);
    expect(argvOf(shell, { PATH: '/no/such/folder' })).toEqual(['sh', '-c', 'echo a | wc']);
    expect(argvOf({ kind: 'command', argv: ['echo', '$HOME; ls'] }, {})).toEqual(['echo', '$HOME; ls']);
  });

  it('gets no setting or secret of the agent, and facts that a document cannot forge', () => {
    const inherited = { PATH: '/bin', SIGNALBOX_TOKEN: 'secret', signalbox_state_dir: '/x', GONE: undefined };
    const declared = {
      A: '1',
      SIGNALBOX_ATTEMPT: '99',
      SIGNALBOX_ATTEMPT_ID: 'forged',
      SIGNALBOX_OWN: 'kept',
    };
    expect(childEnvironment(inherited, declared, { ...ref, step: 3 })).toEqual({
      PATH: '/bin',
      A: '1',
      SIGNALBOX_OWN: 'kept',
      SIGNALBOX_JOB_ID: ref.jobId,
      SIGNALBOX_TARGET_ID: 'device-1',
      SIGNALBOX_ATTEMPT: '2',
      SIGNALBOX_STEP: '3',
      SIGNALBOX_ATTEMPT_ID: `${ref.jobId}.device-1.2`,
    });
  });
});

describe('the pace of polls', () => {
  const empty = { offer: null, cancel: [], drop: [] };
  it.each([
    [0, 30_000, 0],
    [0, 20, 980],
    [5000, 20, 5000],
    [5000, 30_000, 5000],
    [200, 500.5, 500],
  ])('waits after an answer: told %d ms, answered after %d ms', (pollAfterMs, elapsedMs, expected) => {
    expect(paceMs({ ...empty, pollAfterMs }, elapsedMs)).toBe(expected);
  });
});
