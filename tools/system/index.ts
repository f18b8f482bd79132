/** The whole system for tests and benchmarks. */
export { fingerprintOf, ownCertificate } from './certificates.ts';
export { createClient, field, textField, type Answer, type Client, type Message } from './client.ts';
export { answersOk, createProgram, type Program } from './program.ts';
export { type Roads } from './services.ts';
export { startSystem, type AgentStart, type System, type SystemOptions } from './system.ts';
export { stopSignal } from './stop-signal.ts';
