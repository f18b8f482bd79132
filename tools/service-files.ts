import { join } from 'node:path';

export const root = join(import.meta.dirname, '..');

/** The five services, in the order in which they are started. */
export const serviceNames = ['scheduler', 'dispatcher', 'audit', 'device-gateway', 'api'] as const;
export type ServiceName = (typeof serviceNames)[number];

/** File that runs one service when it is started, and exports `start(env)`. */
export const serviceFile = (name: ServiceName): string => join(root, 'dist', 'services', `${name}.js`);

/** The agent, one file without packages. */
export const agentFile = join(root, 'dist', 'agent', 'signalbox-agent.mjs');
