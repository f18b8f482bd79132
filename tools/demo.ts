/**
 * `npm run demo`: starts the whole system, enrols an agent with a one-time token, runs a job with several steps, shows its
 * output while it happens and then its audit trail, read with SQL. Stops everything again.
 */
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Client as Postgres } from 'pg';
import { buildAll } from './build.ts';
import { startOptions } from './options.ts';
import { root } from './service-files.ts';
import { type Client, createClient, field, textField } from './system/client.ts';
import { type System, startSystem } from './system/system.ts';
import { stopSignal } from './system/stop-signal.ts';

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};
const title = (text: string): void => say(`\n== ${text}`);

const steps = [
  { name: 'greet', type: 'runShell', input: { command: 'echo "Hello from $(hostname), process $$"' } },
  { name: 'look', type: 'runCommand', input: { command: ['uname', '-srm'] } },
  {
    name: 'work',
    type: 'runShell',
    input: { command: 'for i in 1 2 3 4 5; do echo "line $i of 5"; sleep 0.3; done; echo "a warning" >&2' },
  },
];

/** The agent's device, once it has enrolled. */
const deviceOf = async (client: Client): Promise<string> => {
  for (let tries = 0; tries < 200; tries += 1) {
    const items = field(await client.get('/api/v1/agents'), 'items');
    if (Array.isArray(items) && items.length > 0) return textField(items[0], 'agentId');
    await pause(100);
  }
  throw new Error('expected the agent to enrol within 20 s, got none; see .signalbox/demo/logs/');
};

const show = (message: { readonly event: string; readonly data: unknown }): void => {
  if (message.event === 'output') {
    const stream = String(field(message.data, 'stream'));
    for (const line of String(field(message.data, 'text')).trimEnd().split('\n'))
      say(`  ${stream.padEnd(6)} | ${line}`);
    return;
  }
  const to = field(field(message.data, 'data'), 'to');
  const type = field(message.data, 'type');
  if (typeof type === 'string') say(`  event  | ${type}${typeof to === 'string' ? ` → ${to}` : ''}`);
};

const runJob = async (client: Client): Promise<string> => {
  const deviceId = await deviceOf(client);
  say(`agent enrolled as device ${deviceId}`);
  const created = await client.post('/api/v1/jobs', {
    name: 'demo',
    document: { version: '1.0', steps },
    target: { type: 'device', ids: [deviceId] },
  });
  const jobId = textField(created, 'jobId');
  title(`Job ${jobId}, live`);
  for await (const message of client.stream(`/api/v1/jobs/${jobId}/stream`)) show(message);
  return jobId;
};

/** The trail as an auditor sees it: with the read-only role, as soon as the job's end is in. */
const showTrail = async (system: System, client: Client, jobId: string): Promise<boolean> => {
  const job = await client.get(`/api/v1/jobs/${jobId}`);
  const position = textField(job, 'position');
  await client.get(`/api/v1/jobs?limit=1&after=${position}`);
  const postgres = new Postgres({ connectionString: system.auditUrl });
  await postgres.connect();
  try {
    title(`Audit trail of ${jobId}, by SQL`);
    const { rows } = await postgres.query<{ at: string; event_type: string; actor: string; step: string }>(
      `select to_char(occurred_at, 'HH24:MI:SS.MS') as at, event_type, actor,
              coalesce((payload ->> 'from') || ' → ' || (payload ->> 'to'), '') as step
       from audit_logs where correlation_id = $1 order by occurred_at asc`,
      [jobId],
    );
    for (const row of rows)
      say(`  ${row.at}  ${row.event_type.padEnd(17)} ${row.actor.padEnd(46)} ${row.step}`);
    const types = rows.map((row) => row.event_type).join(' → ');
    say(`\n  ${types}`);
    return types === 'JobCreated → JobAssigned → JobStatusChanged → JobStatusChanged';
  } finally {
    await postgres.end();
  }
};

const begun = performance.now();
const options = startOptions(process.argv.slice(2), 0);
const stopped = stopSignal();
title('Building and starting Postgres, nats-server, five services and an agent');
await buildAll();
const system = await startSystem({
  stateDir: join(root, '.signalbox', 'demo'),
  port: options.port,
  separate: options.separate,
  databaseUrl: process.env['DATABASE_URL'],
  natsUrl: process.env['NATS_URL'],
  log: say,
});
let passed = false;
try {
  say(`API at ${system.url}/api/v1`);
  const client = createClient(system.url, system.adminKey);
  const demo = async (): Promise<boolean> => {
    await system.startAgent('demo');
    return showTrail(system, client, await runJob(client));
  };
  passed = await Promise.race([demo(), stopped.then(() => false)]);
} finally {
  await system.stop();
}
const seconds = ((performance.now() - begun) / 1000).toFixed(1);
say(
  passed
    ? `\nDone in ${seconds} s; everything is stopped.`
    : '\nexpected the four events of a job, got another trail',
);
process.exit(passed ? 0 : 1);
