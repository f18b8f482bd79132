/** Real servers for a first start and for tests: Postgres from npm's binaries, nats-server found or fetched. */
export { downloadPackage } from './apt-download.ts';
export { freePort } from './free-port.ts';
export { findNatsServer } from './nats-binary.ts';
export { startNats, type NatsServer } from './nats.ts';
export { type NatsOptions } from './nats-launch.ts';
export { DataInUse } from './owner.ts';
export { postgresBinaries } from './postgres-binaries.ts';
export { startPostgres, type PostgresServer } from './postgres.ts';
export { type PostgresOptions } from './postgres-launch.ts';
export {
  PortInUse,
  ServerFailed,
  endWithStarter,
  spawnServer,
  type ServerProcess,
} from './server-process.ts';
