import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { eventually } from '@signalbox/testkit';
import { DataInUse, type NatsServer, PortInUse, freePort, startNats } from './index.ts';
import { claimData, processStarted } from './owner.ts';

const binary = process.env['SIGNALBOX_TEST_NATS_SERVER'] ?? 'nats-server';

let folder: string;
let servers: NatsServer[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'signalbox-test-'));
  servers = [];
});

afterEach(async () => {
  for (const server of servers) await server.stop();
  await rm(folder, { recursive: true, force: true });
});

const start = async (
  options: { port?: number; config?: string; monitor?: boolean } = {},
): Promise<NatsServer> => {
  const server = await startNats({ binary, storeDir: join(folder, 'jetstream'), ...options });
  servers.push(server);
  return server;
};

const publish = async (url: string): Promise<void> => {
  const connection = await connect({ servers: url });
  await (await jetstreamManager(connection)).streams.add({ name: 'S', subjects: ['s'] });
  await jetstream(connection).publish('s', 'x');
  await connection.close();
};

const countMessages = async (url: string): Promise<number> => {
  const connection = await connect({ servers: url });
  const { state } = await (await jetstreamManager(connection)).streams.info('S');
  await connection.close();
  return state.messages;
};

/** Runs a module text in a process of its own and answers that process and the first thing it says. */
const runModule = async (text: string) => {
  const child = spawn(process.execPath, ['--input-type=module', '-e', text], {
    env: { ...process.env, NODE_OPTIONS: '' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [said] = await once(child.stdout, 'data');
  return { child, said: String(said) };
};

const modulePath = (name: string): string => JSON.stringify(join(import.meta.dirname, name));

describe('startNats', () => {
  it('keeps acknowledged messages when it is killed, and answers again on the same port', async () => {
    const server = await start();
    await publish(server.url);
    await server.kill();
    expect(server.pid).toBeUndefined();
    await server.start();
    expect(await countMessages(server.url)).toBe(1);
  });

  it('takes further configuration', async () => {
    const server = await start({ config: 'authorization { user: a, password: b }' });
    await expect(connect({ servers: server.url, reconnect: false })).rejects.toThrow(/authorization/i);
    await (await connect({ servers: server.url, user: 'a', pass: 'b' })).close();
  });

  it('opens its monitoring port when asked', async () => {
    const server = await start({ monitor: true });
    expect((await fetch(`${server.monitorUrl}/healthz`)).status).toBe(200);
  });

  it('refuses a store that a living process uses: two servers would destroy it', async () => {
    await start();
    await expect(start()).rejects.toThrow(DataInUse);
  });

  it('lets one of two win that start on the same store at once', async () => {
    const outcomes = await Promise.allSettled([start(), start()]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  it('names a port that is taken', async () => {
    const port = await freePort();
    const holder = createServer().listen(port, '127.0.0.1');
    await once(holder, 'listening');
    await expect(start({ port })).rejects.toThrow(PortInUse);
    holder.close();
  });

  it('says what the server said when it cannot start', async () => {
    await expect(start({ config: 'nonsense: 1' })).rejects.toThrow(/unknown field "nonsense"/);
  });

  it('ends when the process that started it is killed', async () => {
    const { child, said } = await runModule(`
      import { startNats } from ${modulePath('index.ts')};
      const options = { binary: ${JSON.stringify(binary)}, storeDir: ${JSON.stringify(join(folder, 'jetstream'))} };
      process.stdout.write(String((await startNats(options)).pid));`);
    child.kill('SIGKILL');
    await eventually(async () => (await processStarted(Number(said))) === undefined, {
      what: 'the end of nats-server',
    });
    await start();
  });
});

describe('claimData', () => {
  it('stops a server that a dead starter has left running', async () => {
    const file = join(folder, 'data.owner.json');
    const { child, said } = await runModule(`
      import { spawn } from 'node:child_process';
      import { claimData, recordServer } from ${modulePath('owner.ts')};
      const server = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' });
      await claimData(${JSON.stringify(file)}, 'data');
      await recordServer(${JSON.stringify(file)}, server.pid);
      process.stdout.write(String(server.pid), () => process.exit(0));`);
    if (child.exitCode === null) await once(child, 'exit');
    expect(await processStarted(Number(said))).toBeDefined();
    await claimData(file, 'data');
    expect(await processStarted(Number(said))).toBeUndefined();
  });

  it('does not touch a process that has the pid of a dead server', async () => {
    const file = join(folder, 'data.owner.json');
    const { child, said } = await runModule(`
      import { writeFileSync } from 'node:fs';
      import { spawn } from 'node:child_process';
      const other = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' });
      const owner = { ownerPid: process.pid, ownerStarted: '1', serverPid: other.pid, serverStarted: '1' };
      writeFileSync(${JSON.stringify(file)}, JSON.stringify(owner));
      process.stdout.write(String(other.pid), () => process.exit(0));`);
    if (child.exitCode === null) await once(child, 'exit');
    await claimData(file, 'data');
    expect(await processStarted(Number(said))).toBeDefined();
    process.kill(Number(said));
  });
});
