/** What operators should know of the running system: looked at by each replica, gathered by the api. */
export { busLook } from './bus.ts';
export { certificateLook } from './certificate.ts';
export { type Finding, type Look, lookAt, seconds } from './check.ts';
export { gatherReports } from './gather.ts';
export { leaseLook, postgresLooks, schemaLook } from './postgres.ts';
export { readerLooks, relayLook } from './readers.ts';
export { type OwnReport, serveChecks } from './serve.ts';
