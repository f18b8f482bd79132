/** The door beyond this machine: devices pin the authority of the enrolment line, and send nothing to another one. */
import { readFileSync, rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { createServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { freePort } from '@signalbox/embedded';
import { eventually } from '@signalbox/testkit';
import { agentFile } from '@signalbox/tools/service-files';
import {
  type Program,
  type System,
  createClient,
  createProgram,
  field,
  fingerprintOf,
  ownCertificate,
  startSystem,
} from '@signalbox/tools/system';

let folder: string;
let system: System;
let admin: ReturnType<typeof createClient>;
const started: Program[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'signalbox-tls-'));
  system = await startSystem({
    stateDir: join(folder, 'system'),
    port: 0,
    publicDoor: { host: '127.0.0.1', port: 0, name: 'localhost' },
  });
  admin = createClient(system.url, system.adminKey);
});

afterAll(async () => {
  await Promise.all(started.map((each) => each.stop(5_000)));
  await system?.stop();
  await system?.postgres?.destroy();
  rmSync(folder, { recursive: true, force: true });
});

const door = (): NonNullable<System['publicDoor']> => {
  if (system.publicDoor === undefined) throw new Error('expected a public door, got none');
  return system.publicDoor;
};

const logOf = (name: string): string => readFileSync(join(folder, `${name}.log`), 'utf8');

/** Starts the agent as the enrolment line says, with changed flags. */
const startAgent = async (
  name: string,
  token: string | undefined,
  flags: readonly string[],
): Promise<Program> => {
  const agent = createProgram({
    name,
    args: [agentFile, '--state-dir', join(folder, name), '--name', name, ...flags],
    env: { PATH: '/usr/bin:/bin', ...(token === undefined ? {} : { SIGNALBOX_TOKEN: token }) },
    logFile: join(folder, `${name}.log`),
  });
  started.push(agent);
  await agent.start();
  return agent;
};

const issue = async (): Promise<{ readonly line: string; readonly token: string }> => {
  const issued = await admin.post('/api/v1/enrolment-tokens', {});
  return { line: String(field(issued, 'enrolmentLine')), token: String(field(issued, 'token')) };
};

const names = async (): Promise<unknown[]> => {
  const items = field(await admin.get('/api/v1/agents'), 'items');
  return Array.isArray(items) ? items.map((each) => field(each, 'name')) : [];
};

describe('the door beyond this machine', () => {
  it('is spoken to by the enrolment line, which pins the authority', async () => {
    const { line, token } = await issue();
    const [, server, fingerprint] = / --server (\S+) --ca-fingerprint (\S+)$/.exec(line) ?? [];
    expect(line).toContain(`SIGNALBOX_TOKEN=${token} `);
    expect(server).toBe(door().url);
    expect(fingerprint).toBe(door().caFingerprint);
    const agent = await startAgent('pins', token, [
      '--server',
      String(server),
      '--ca-fingerprint',
      String(fingerprint),
    ]);
    await eventually(async () => (await names()).includes('pins'), { timeoutMs: 20_000 });
    await agent.stop();
    await startAgent('pins', undefined, []);
    await eventually(() => logOf('pins').split('agent started').length === 3, { timeoutMs: 20_000 });
  });

  it('has a certificate of which the checks say when it ends', async () => {
    const checks = field(await admin.get('/api/v1/system/checks'), 'checks');
    const certificate = Array.isArray(checks)
      ? checks.find((each) => field(each, 'id') === 'certificate')
      : undefined;
    expect(certificate).toMatchObject({ status: 'ok', found: expect.stringMatching(/^ends at 20/) });
  });

  it('is not trusted without the fingerprint, and nothing is sent', async () => {
    const { token } = await issue();
    await startAgent('trusts-system', token, ['--server', door().url]);
    const clear =
      /expected a certificate that the trusted authority signed for this address, got another one/;
    await eventually(() => clear.test(logOf('trusts-system')), { timeoutMs: 20_000 });
    expect(await names()).not.toContain('trusts-system');
  });

  it('is refused when the fingerprint is another one, with a clear message', async () => {
    const { token } = await issue();
    const other = `sha256:${'0'.repeat(64)}`;
    const agent = await startAgent('mistrusts', token, ['--server', door().url, '--ca-fingerprint', other]);
    expect(await agent.exited()).toBe('2');
    const said = `expected a certificate authority with fingerprint ${other}`;
    await eventually(() => logOf('mistrusts').includes(said), { timeoutMs: 5_000 });
    expect(logOf('mistrusts')).toContain(String(door().caFingerprint));
    expect(logOf('mistrusts')).not.toContain(token);
  });

  it('cannot be stood in for once it is pinned', async () => {
    const impostors = await ownCertificate(join(folder, 'false-ca'), ['localhost'], Date.now());
    expect(fingerprintOf(impostors.cert)).not.toBe(door().caFingerprint);
    let requests = 0;
    const port = await freePort();
    const impostor = createServer(impostors, (_request, response) => {
      requests += 1;
      response.end('{}');
    });
    await new Promise<void>((resolve) => impostor.listen(port, '127.0.0.1', resolve));
    try {
      await Promise.all(started.filter((each) => each.name === 'pins').map((each) => each.stop()));
      const before = logOf('pins').length;
      await startAgent('pins', undefined, ['--server', `https://localhost:${port}`]);
      await eventually(() => logOf('pins').slice(before).includes('got another one'), { timeoutMs: 20_000 });
      expect(requests).toBe(0);
    } finally {
      impostor.closeAllConnections();
      await new Promise((resolve) => impostor.close(resolve));
    }
  });
});
