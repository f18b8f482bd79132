import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '@signalbox/testkit';
import { Client } from 'pg';
import { serverAccount } from './account.ts';
import { DataInUse, PortInUse, type PostgresServer, freePort, startPostgres } from './index.ts';
import { processStarted } from './owner.ts';

const isRoot = process.getuid?.() === 0;

let folder: string;
let servers: PostgresServer[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'signalbox-test-'));
  await chmod(folder, 0o755);
  servers = [];
});

afterEach(async () => {
  for (const server of servers.reverse()) await server.destroy();
  await rm(folder, { recursive: true, force: true });
});

const start = async (options: { port?: number; durable?: boolean } = {}): Promise<PostgresServer> => {
  const server = await startPostgres({ dataDir: join(folder, 'postgres'), durable: false, ...options });
  servers.push(server);
  return server;
};

const query = async (url: string, sql: string): Promise<unknown[]> => {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
};

describe('startPostgres', () => {
  it('keeps what was committed when it is killed, and answers again on the same port', async () => {
    const server = await start({ durable: true });
    await query(server.url, 'create table t (n int); insert into t values (42)');
    const before = server.pid;
    await server.kill();
    expect(server.pid).toBeUndefined();
    await server.start();
    expect(server.pid).not.toBe(before);
    expect(await query(server.url, 'select n from t')).toEqual([{ n: 42 }]);
  });

  it('starts again after a stop, with the same password', async () => {
    const first = await start();
    await query(first.url, 'create table t (n int)');
    await first.stop();
    const second = await start();
    expect(await query(second.url, 'select n from t')).toEqual([]);
    expect((await stat(join(folder, 'postgres.password'))).mode & 0o777).toBe(0o600);
  });

  it('lets nobody in without the password', async () => {
    const { port } = await start();
    await expect(query(`postgresql://signalbox@127.0.0.1:${port}/signalbox`, 'select 1')).rejects.toThrow(
      /password/,
    );
  });

  it('refuses data that a living process uses, and leaves its server alone', async () => {
    const server = await start();
    await expect(start()).rejects.toThrow(DataInUse);
    expect(await query(server.url, 'select 1 as n')).toEqual([{ n: 1 }]);
  });

  it('leaves data alone that another handle has taken over', async () => {
    const first = await start();
    await first.stop();
    const second = await start();
    await first.stop();
    await expect(first.start()).rejects.toThrow(DataInUse);
    await expect(first.destroy()).rejects.toThrow(DataInUse);
    expect(await query(second.url, 'select 1 as n')).toEqual([{ n: 1 }]);
  });

  it('names a port that is taken', async () => {
    const port = await freePort();
    const holder = createServer().listen(port, '127.0.0.1');
    await once(holder, 'listening');
    await expect(start({ port })).rejects.toThrow(PortInUse);
    holder.close();
  });

  it('starts although the pid of its dead postmaster belongs to another process of its account', async () => {
    const server = await start();
    await server.kill();
    const account = await serverAccount();
    const other = spawn('sleep', ['600'], { stdio: 'ignore', ...account });
    await once(other, 'spawn');
    const file = join(folder, 'postgres/postmaster.pid');
    await writeFile(file, (await readFile(file, 'utf8')).replace(/^\d+/, String(other.pid)));
    await server.start();
    expect(await query(server.url, 'select 1 as n')).toEqual([{ n: 1 }]);
    other.kill();
    await once(other, 'exit');
  });

  it('ends when the process that started it is killed', async () => {
    const dataDir = join(folder, 'postgres');
    const script = `
      import { startPostgres } from ${JSON.stringify(join(import.meta.dirname, 'index.ts'))};
      const { pid } = await startPostgres({ dataDir: ${JSON.stringify(dataDir)}, durable: false });
      process.stdout.write(String(pid));`;
    const starter = spawn(process.execPath, ['--input-type=module', '-e', script], {
      env: { ...process.env, NODE_OPTIONS: '' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [said] = await once(starter.stdout, 'data');
    const pid = Number(said);
    expect(await processStarted(pid)).toBeDefined();
    starter.kill('SIGKILL');
    await eventually(async () => (await processStarted(pid)) === undefined, { what: 'the end of Postgres' });
    const next = await start();
    expect(await query(next.url, 'select 1 as n')).toEqual([{ n: 1 }]);
  });

  const placing = 'puts data elsewhere when its account cannot reach the folder';
  (isRoot ? it : it.skip)(isRoot ? placing : `SKIPPED: needs root: ${placing}`, async () => {
    await chmod(folder, 0o700);
    const dataDir = join(folder, 'postgres');
    const server = await start();
    await query(server.url, 'create table t (n int)');
    const place = await readlink(dataDir);
    expect(place).toMatch(/^\/var\/(lib|tmp)\/signalbox\/data-/);
    await server.stop();
    const again = await start();
    expect(await query(again.url, 'select n from t')).toEqual([]);
    await again.destroy();
    await expect(stat(dirname(place))).rejects.toThrow('ENOENT');
  });
});
