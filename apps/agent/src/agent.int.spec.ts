/**
 * The bundled agent as a real process. A double stands for the device gateway only (testing/gateway-double.ts); the
 * agent, the programs it starts, their processes, signals and files are real.
 */
import { chmodSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { DomainError } from '@signalbox/contracts';
import { eventually } from '@signalbox/testkit';
import { processesOf, useStage } from './testing/stage.ts';

const stage = useStage();

describe('enrolment', () => {
  it('enrols once, keeps the credential to its owner, and goes on with it', async () => {
    const { gateway, stateDir } = stage();
    const properties = ['--property', 'a=b', '--property', 'c=d'];
    const first = stage().start(['--token', gateway.token, '--name', 'kitchen', ...properties]);
    await eventually(() => gateway.requests.includes('/poll'));
    expect(gateway.enrolments).toMatchObject([
      { name: 'kitchen', agentVersion: '0.1.0', os: 'linux', properties: { a: 'b', c: 'd' } },
    ]);
    expect(statSync(join(stateDir, 'credential.json')).mode & 0o777).toBe(0o600);
    expect(stage().stateFile('lock.json')).toMatchObject({ pid: first.pid });
    first.signal('SIGTERM');
    expect(await first.exited).toEqual({ code: 0, signal: null });
    expect(stage().stateFile('lock.json')).toBeNull();
    const second = stage().start();
    await eventually(() => gateway.requests.filter((path) => path === '/poll').length > 1);
    expect(gateway.enrolments.length).toBe(1);
    const credential = String(stage().stateFile('credential.json')?.['credential']);
    expect(credential.length).toBeGreaterThan(20);
    expect(first.log + second.log).not.toContain(credential);
    expect(first.log + second.log).not.toContain(gateway.token);
  });

  it('loses nothing when the answers to its enrolment are lost, also with a restart in between', async () => {
    const { gateway, stateDir } = stage();
    gateway.lostAnswers = 100;
    const first = stage().start();
    await eventually(() => gateway.enrolments.length > 1);
    expect(stage().stateFile('credential.json')).toBeNull();
    expect(statSync(join(stateDir, 'pending-credential.json')).mode & 0o777).toBe(0o600);
    first.signal('SIGKILL');
    await first.exited;
    gateway.lostAnswers = 0;
    const second = stage().start();
    await eventually(() => gateway.requests.includes('/poll'));
    expect(new Set(gateway.enrolments.map((each) => each.credential)).size).toBe(1);
    expect(stage().stateFile('credential.json')).toMatchObject({
      credential: gateway.enrolments[0]?.credential,
    });
    expect(stage().stateFile('pending-credential.json')).toBeNull();
    expect(first.log + second.log).not.toContain(String(gateway.enrolments[0]?.credential));
  });

  it('keeps trying to enrol while the server is away', async () => {
    await stage().gateway.stop();
    const agent = stage().start();
    await eventually(() => agent.log.includes('not enrolled yet'));
    await stage().gateway.start();
    await eventually(() => stage().gateway.requests.includes('/poll'));
  });

  it('ends with code 2 and says why when the token is refused', async () => {
    const agent = stage().start(['--token', 'y'.repeat(30)]);
    expect(await agent.exited).toEqual({ code: 2, signal: null });
    expect(agent.log).toContain('token refused');
  });

  it('asks for a token when there is neither one nor a credential', async () => {
    const agent = stage().start([]);
    expect(await agent.exited).toEqual({ code: 2, signal: null });
    expect(agent.log).toContain('use --token');
  });

  it('refuses a credential that others may read', async () => {
    const first = stage().start();
    await eventually(() => stage().gateway.requests.includes('/poll'));
    first.signal('SIGTERM');
    await first.exited;
    chmodSync(join(stage().stateDir, 'credential.json'), 0o644);
    const second = stage().start();
    expect(await second.exited).toEqual({ code: 2, signal: null });
    expect(second.log).toContain('mode 600');
  });

  it('refuses a state folder that another agent uses', async () => {
    stage().start();
    await eventually(() => stage().gateway.requests.includes('/poll'));
    const second = stage().start();
    expect(await second.exited).toEqual({ code: 2, signal: null });
    expect(second.log).toContain('another running agent');
  });

  it('refuses plain http beyond this machine', async () => {
    const agent = stage().start(['--token', stage().gateway.token], {}, 'http://192.0.2.1:4002');
    expect((await agent.exited).code).toBe(2);
    expect(agent.log).toContain('--server: expected an https:// address');
  });

  it('keeps polling with a credential that is refused, and says so', async () => {
    let isRevoked = true;
    stage().gateway.intercept = (path) => {
      if (path === '/poll' && isRevoked)
        throw new DomainError('unauthenticated', 'expected a known credential');
    };
    const agent = stage().start();
    await eventually(() => agent.log.includes('credential refused'));
    isRevoked = false;
    const held = stage().gateway.shell('true');
    expect((await stage().ended(held)).status).toBe('SUCCEEDED');
  });
});

describe('running a job', () => {
  it('sends output in order, with its hash, and keeps to two requests for a short job', async () => {
    const { gateway } = stage();
    stage().start();
    await eventually(() => gateway.requests.includes('/poll'));
    const first = gateway.shell('echo one; echo two >&2; printf three');
    expect(await stage().ended(first)).toMatchObject({
      status: 'SUCCEEDED',
      exitCode: 0,
      executedSteps: 1,
      failedStep: null,
    });
    expect(first.text()).toBe('$ echo one; echo two >&2; printf three\none\nthree');
    expect(first.text('stderr')).toBe('two\n');
    expect(first.end?.outputHash).toBe(first.stored.hash);
    const second = gateway.shell('echo next');
    await stage().ended(second);
    // A poll that accepts nothing is the one that is kept open beside a job that takes longer.
    const own = gateway.requests.filter(
      (_, index) => !JSON.stringify(gateway.bodies[index]).includes('"accept":false'),
    );
    expect(own.map((path) => path.split('/').at(-1))).toEqual(['enrol', 'poll', 'status', 'status']);
  });

  it('shows lines while the program still runs', async () => {
    stage().start();
    const held = stage().gateway.shell('echo begun; printf half; sleep 60', { killGraceMs: 0 });
    await stage().shows(held, 'begun\nhalf');
    expect(held.end).toBeNull();
  });

  it('runs steps with their environment, folder and order, and the final step last', async () => {
    stage().start(['--token', stage().gateway.token], { SIGNALBOX_LOG_LEVEL: 'debug', KEPT: 'kept' });
    const show = 'echo $A $B $KEPT $SIGNALBOX_TARGET_ID $SIGNALBOX_ATTEMPT ${SIGNALBOX_LOG_LEVEL-none}; pwd';
    const held = stage().gateway.enqueue({
      document: {
        version: '1.0',
        environment: { A: 'document', B: 'document', SIGNALBOX_TARGET_ID: 'forged' },
        steps: [
          { name: 'argv', type: 'runCommand', input: { command: ['printf', '%s|', 'a b', '$HOME', ''] } },
          { name: 'fails', type: 'runCommand', input: { command: ['false'] }, ignoreStepFailure: true },
          {
            name: 'shell',
            type: 'runShell',
            input: { command: show },
            environment: { B: 'step' },
            workingDirectory: '/usr/bin',
          },
        ],
        finalStep: { name: 'last', type: 'runCommand', input: { command: ['echo', 'final'] } },
      },
    });
    expect(await stage().ended(held)).toMatchObject({ status: 'SUCCEEDED', exitCode: 0, executedSteps: 4 });
    expect(held.text()).toBe(`a b|$HOME||$ ${show}\ndocument step kept device-1 1 none\n/usr/bin\nfinal\n`);
  });

  it.each([
    ['exit 7', { exitCode: 7, signal: null }],
    ['kill -KILL $$', { exitCode: null, signal: 'SIGKILL' }],
  ])('stops at the first step that fails: %s', async (command, how) => {
    stage().start();
    const step = (name: string, text: string) => ({ name, type: 'runShell', input: { command: text } });
    const held = stage().gateway.enqueue({
      document: {
        steps: [step('good', 'true'), step('bad', command), step('never', 'echo never')],
        finalStep: step('final', 'echo never'),
      },
    });
    const reason = { code: 'step-failed' };
    const expected = { status: 'FAILED', reason, failedStep: 'bad', executedSteps: 2, ...how };
    expect(await stage().ended(held)).toMatchObject(expected);
    expect(held.text()).not.toContain('never');
  });

  it.each([
    [['no-such-program-here'], undefined, 'was not found'],
    [['/etc/passwd'], undefined, 'permission denied'],
    [['true'], '/no/such/folder', 'working directory'],
  ])('says why a program cannot be started: %j in %s', async (command, workingDirectory, text) => {
    stage().start();
    const step = {
      name: 'only',
      type: 'runCommand',
      input: { command },
      ...(workingDirectory === undefined ? {} : { workingDirectory }),
    };
    const end = await stage().ended(stage().gateway.enqueue({ document: { steps: [step] } }));
    expect(end).toMatchObject({ status: 'FAILED', exitCode: null, failedStep: 'only', executedSteps: 0 });
    expect(end.reason).toMatchObject({ code: 'start-failed', message: expect.stringContaining(text) });
  });

  it('rejects a document with another hash, or with a step that it does not know, and runs nothing', async () => {
    stage().start();
    const rejected = { status: 'REJECTED', reason: { code: 'rejected-by-agent' }, executedSteps: 0 };
    const forged = stage().gateway.shell('echo ran', { documentHash: '0'.repeat(64) });
    expect(await stage().ended(forged)).toMatchObject(rejected);
    const known = { name: 'known', type: 'runShell', input: { command: 'echo ran' } };
    const newer = { name: 'newer', type: 'runHandler', input: { handler: 'reboot.sh' } };
    for (const steps of [[known, newer], [{ ...known, runAsUser: 'nobody' }]]) {
      const held = stage().gateway.enqueue({ document: { version: '1.0', steps } });
      expect(await stage().ended(held)).toMatchObject(rejected);
      expect(held.text()).toBe('');
    }
    expect(forged.text()).toBe('');
  });

  it('stops what a step left in its process group, and keeps all output of a pipeline', async () => {
    stage().start();
    const held = stage().gateway.shell('sleep 600 & exec > >(sleep 0.3; cat); echo through the pipe');
    expect((await stage().ended(held)).status).toBe('SUCCEEDED');
    expect(held.text()).toContain('\nthrough the pipe\n');
    expect(processesOf(held)).toEqual([]);
  });

  it('leaves a process alone that leads a session of its own when the job ends by itself', async () => {
    stage().start();
    const held = stage().gateway.shell('setsid sleep 600 >/dev/null 2>&1 & echo started');
    expect((await stage().ended(held)).status).toBe('SUCCEEDED');
    expect(processesOf(held).length).toBe(1);
  });

  it('idles below 60 MB', async () => {
    const agent = stage().start();
    await eventually(() => stage().gateway.requests.includes('/poll'));
    expect(agent.residentKib() * 1024).toBeLessThan(60_000_000);
  });
});
