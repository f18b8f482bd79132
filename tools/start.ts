/**
 * `npm start`: the whole system on this machine, kept running until Ctrl-C. `-- --separate` gives each service its own
 * process, `-- --port N` another public port, `-- --no-agent` leaves the local agent out. `-- --listen 0.0.0.0` also listens
 * beyond this machine, with TLS on port 4443 (`--tls-port`), for the name `--tls-name`, with `--tls-cert` and `--tls-key` or
 * with a certificate of its own authority.
 */
import { join } from 'node:path';
import { readEventStoreSettings } from '@signalbox/event-store-choice';
import { buildAll } from './build.ts';
import { startOptions } from './options.ts';
import { root, serviceNames } from './service-files.ts';
import { startSystem } from './system/system.ts';
import { stopSignal } from './system/stop-signal.ts';

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** A collector that the caller's environment names gets the traces of all services. */
const telemetry = Object.fromEntries(
  Object.entries(process.env).flatMap(([name, value]) =>
    name.startsWith('OTEL_') && value !== undefined ? [[name, value]] : [],
  ),
);

const options = startOptions(process.argv.slice(2), 4002);
const stopped = stopSignal();
say('Building …');
await buildAll();
say('Starting Postgres, nats-server and the five services …');
const system = await startSystem({
  stateDir: join(root, '.signalbox'),
  port: options.port,
  separate: options.separate,
  startUnready: true,
  settings: Object.fromEntries(serviceNames.map((name) => [name, telemetry])),
  publicDoor: options.publicDoor,
  databaseUrl: process.env['DATABASE_URL'],
  natsUrl: process.env['NATS_URL'],
  kurrentdbUrl: readEventStoreSettings(process.env).kurrentdbUrl,
  log: say,
});
if (options.withAgent) await system.startAgent('local');
const { publicDoor } = system;
const publicLines =
  publicDoor === undefined
    ? ''
    : `  devices      ${publicDoor.url}${publicDoor.caFingerprint === undefined ? '' : `\n  authority    ${publicDoor.caFingerprint}`}\n`;
say(`
Signalbox is running.

  API          ${system.url}/api/v1        (documentation: ${system.url}/api/v1/docs)
  admin key    in ${system.adminKeyFile}
${publicLines}  audit, SQL   npm run sql -- "select occurred_at, event_type, actor from audit_logs order by occurred_at desc limit 10"
  addresses    .signalbox/run.json
  logs         .signalbox/logs/

Ctrl-C stops it; what it knows is kept in .signalbox/.`);
const ended = [...system.programs.values()].map(
  async (program) => `${program.name} (${await program.exited()})`,
);
const early = await Promise.race([stopped.then(() => undefined), ...ended]);
if (early !== undefined)
  say(`expected every process to keep running, got the end of ${early}; see .signalbox/logs/`);
say('Stopping …');
await system.stop();
process.exit(early === undefined ? 0 : 1);
