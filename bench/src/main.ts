/**
 * `npm run bench [-- --devices N --jobs N --in-flight N --one-process]`: the whole pipeline beside its raw ceilings, in one
 * run on one machine, each service in its own process as in production. Prints its settings with the figures; compare figures of one run only.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildAll } from '@signalbox/tools/build';
import { startSystem } from '@signalbox/tools/system';
import { auditInserts, storeAppends, streamPublishes } from './ceilings.ts';
import { cpuSeconds, ownCpuSeconds } from './cpu.ts';
import { idleLatency } from './latency.ts';
import { closeFleet, openFleet, runPipeline } from './pipeline.ts';

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const { values } = parseArgs({
  options: {
    devices: { type: 'string', default: '300' },
    jobs: { type: 'string', default: '4000' },
    'in-flight': { type: 'string', default: '128' },
    'one-process': { type: 'boolean', default: false },
    'keep-logs': { type: 'boolean', default: false },
  },
});
const settings = {
  devices: Number(values.devices),
  jobs: Number(values.jobs),
  inFlight: Number(values['in-flight']),
};

const row = (name: string, value: number, unit: string): void => {
  say(`  ${name.padEnd(58)} ${value.toFixed(value < 100 ? 1 : 0).padStart(8)} ${unit}`);
};

const stateDir = await mkdtemp(join(tmpdir(), 'signalbox-bench-'));
await buildAll();
const system = await startSystem({ stateDir, port: 0, separate: !values['one-process'] });
try {
  say(`machine: ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}, fsync on`);
  say(
    `settings: ${JSON.stringify(settings)}, services ${values['one-process'] ? 'in one process' : 'each in its own process'}`,
  );
  const fleet = await openFleet(system, settings.devices, settings.inFlight);
  await runPipeline(fleet, system.adminKey, { jobs: 300, inFlight: settings.inFlight });
  const parts: Record<string, () => number> = {
    'the five services': () => cpuSeconds([...system.programs.values()].map((program) => program.pid)),
    Postgres: () => cpuSeconds([system.postgres?.pid]),
    'nats-server': () => cpuSeconds([system.nats?.pid]),
    'the load itself': ownCpuSeconds,
  };
  const before = Object.entries(parts).map(([name, read]) => ({ name, read, seconds: read() }));
  const pipeline = await runPipeline(fleet, system.adminKey, settings);
  const used = before.map(({ name, read, seconds }) => ({ name, seconds: read() - seconds }));
  const idle = await idleLatency(fleet, system.adminKey);
  await closeFleet(fleet);
  say('\nwhole pipeline, four events per job in store, stream and audit_logs');
  row('jobs accepted', pipeline.acceptedPerSecond, 'jobs/s');
  row('jobs through to their fourth audit row', pipeline.jobsPerSecond, 'jobs/s');
  row('accepted → device has it, idle, p50', idle.p50Ms, 'ms');
  row('accepted → device has it, idle, p99', idle.p99Ms, 'ms');
  say('\nCPU time per job');
  for (const { name, seconds } of used) row(name, (seconds * 1000) / settings.jobs, 'ms');
  say('\nraw ceilings of the same machine, minutes later at most');
  const appends = await storeAppends(system.databaseUrl, 128);
  row('appends of one event, 128 in flight, fsync on', appends, 'events/s');
  row('… as jobs of four events', appends / 4, 'jobs/s');
  const publishes = await streamPublishes();
  row('JetStream publishes, 256 in flight', publishes, 'events/s');
  row('… as jobs of four events', publishes / 4, 'jobs/s');
  const inserts = await auditInserts(system.databaseUrl, 500);
  row('audit rows, UNNEST batches of 500, one connection', inserts, 'rows/s');
  row('… as jobs of four events', inserts / 4, 'jobs/s');
} finally {
  await system.stop();
  if (!values['keep-logs']) await rm(stateDir, { recursive: true, force: true });
}
process.exit(0);
