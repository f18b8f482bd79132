/** Real servers for a first start and for tests: Postgres from npm's binaries, nats-server found or fetched. */
export { freePort } from './free-port.ts';
export { findNatsServer } from './nats-binary.ts';
export { startNats, type NatsOptions, type NatsServer } from './nats.ts';
export { DataInUse } from './owner.ts';
export { startPostgres, type PostgresOptions, type PostgresServer } from './postgres.ts';
export { PortInUse, ServerFailed } from './server-process.ts';
