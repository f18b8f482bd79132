/** The processes of the services: which there are, what they are told, when they are ready. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { freePort } from '@signalbox/embedded';
import { type ServiceName, root, serviceNames } from '../service-files.ts';
import { type NatsPasswords, natsEnv } from './nats-passwords.ts';
import type { PublicDoor } from './public-door.ts';
import { type Program, answersOk, createProgram } from './program.ts';

const portNames: Record<ServiceName, string> = {
  scheduler: 'SIGNALBOX_SCHEDULER_PORT',
  dispatcher: 'SIGNALBOX_DISPATCHER_PORT',
  audit: 'SIGNALBOX_AUDIT_PORT',
  'device-gateway': 'SIGNALBOX_GATEWAY_PORT',
  api: 'SIGNALBOX_API_PORT',
};

/** Addresses of Postgres and NATS as one process sees them. */
export interface Roads {
  readonly databaseUrl: string;
  readonly natsUrl: string;
}

/** Where the servers are, and how a service proves to them who it is. */
export interface Access {
  readonly databaseUrl: string;
  /** Without credentials, unless it is a server of one's own and was given with them. */
  readonly natsUrl: string;
  /** Undefined where a server of one's own is used. */
  readonly natsPasswords: NatsPasswords | undefined;
  /** Where the log is, instead of in Postgres. */
  readonly kurrentdbUrl: string | undefined;
}

export interface ServicesOptions {
  /** Folder of all state: servers' data, keys, logs, `run.json`. */
  readonly stateDir: string;
  /** Each service as its own process, as in production; default: all in one. */
  readonly separate?: boolean;
  /** How many processes of each service run where they are separate; default 1. The second of `api` is named `api-2`. */
  readonly replicas?: number;
  /** The road of each service's process to the servers: tests lay one that they can cut. Default: the servers themselves. */
  readonly wire?: (program: string, servers: Roads) => Promise<Roads>;
  /** Folder with the bundles of the services; default `dist/services`. */
  readonly bundles?: string;
  /** Further settings for all services, such as shorter leases in tests. */
  readonly settings?: Readonly<Partial<Record<ServiceName, Readonly<Record<string, string>>>>>;
  /** Longest wait for a service to be ready, in milliseconds; default 60 000. */
  readonly readyMs?: number;
  /** Goes on when a service lives and is not ready (a halted relay, parked events), saying why: somebody may look at it. */
  readonly startUnready?: boolean;
  /** Progress, a line each. */
  readonly log?: (line: string) => void;
}

/** Only what a service needs: nothing of the caller's environment leaks into it. */
export const baseEnv = (): Record<string, string> => ({
  PATH: process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin',
  HOME: process.env['HOME'] ?? '/',
  TZ: 'UTC',
});

/** The log's place, for all services alike. */
const storeEnv = (url: string | undefined): Readonly<Record<string, string>> =>
  url === undefined ? {} : { SIGNALBOX_EVENT_STORE: 'kurrentdb', SIGNALBOX_KURRENTDB_URL: url };

/** The router is on this machine and says where a request came from. */
const fromRouter = { SIGNALBOX_TRUSTED_PROXIES: 'loopback' };
const proxyEnv: Partial<Record<ServiceName, Readonly<Record<string, string>>>> = {
  api: fromRouter,
  'device-gateway': fromRouter,
};

export const serviceEnv = (servers: Access, name: ServiceName): Readonly<Record<string, string>> => ({
  ...baseEnv(),
  DATABASE_URL: servers.databaseUrl,
  NATS_URL: servers.natsUrl,
  ...proxyEnv[name],
  ...storeEnv(servers.kurrentdbUrl),
  ...(servers.natsPasswords === undefined ? {} : natsEnv(servers.natsPasswords, name)),
});

const becomeReady = async (options: ServicesOptions, name: ServiceName, url: string): Promise<void> => {
  try {
    await answersOk(
      `${url}/health/ready`,
      options.startUnready === true ? 20_000 : (options.readyMs ?? 60_000),
    );
  } catch (error) {
    if (options.startUnready !== true) throw error;
    await answersOk(`${url}/health/live`, 1_000);
    options.log?.(`${name} is not ready: ${error instanceof Error ? error.message : String(error)}`);
  }
};

/** One process of one service. */
interface Replica {
  readonly program: string;
  readonly service: ServiceName;
  readonly url: string;
  readonly env: Readonly<Record<string, string>>;
}

/** What the api writes into enrolment lines. */
const enrolmentEnv = (door: PublicDoor | undefined): Readonly<Record<string, string>> => ({
  ...(door === undefined
    ? {}
    : { SIGNALBOX_PUBLIC_URL: door.url, SIGNALBOX_API_CERTIFICATE_FILE: resolve(door.certificateFile) }),
  ...(door?.caFingerprint === undefined ? {} : { SIGNALBOX_CA_FINGERPRINT: door.caFingerprint }),
});

export const createReplicas = async (
  options: ServicesOptions,
  servers: Access,
  secrets: { readonly adminKey: string; readonly auditPassword: string },
  door: PublicDoor | undefined,
): Promise<readonly Replica[]> => {
  const special: Partial<Record<ServiceName, Record<string, string>>> = {
    api: { SIGNALBOX_BOOTSTRAP_ADMIN_KEY: secrets.adminKey, ...enrolmentEnv(door) },
    audit: { SIGNALBOX_AUDIT_READER_PASSWORD: secrets.auditPassword },
  };
  const count = options.separate === true ? (options.replicas ?? 1) : 1;
  const replicas: Replica[] = [];
  for (const service of serviceNames) {
    for (let number = 1; number <= count; number += 1) {
      const program = number === 1 ? service : `${service}-${number}`;
      const { databaseUrl, natsUrl } = (await options.wire?.(program, servers)) ?? servers;
      const port = await freePort();
      const env = {
        ...serviceEnv({ ...servers, databaseUrl, natsUrl }, service),
        [portNames[service]]: String(port),
        ...special[service],
        ...options.settings?.[service],
      };
      replicas.push({ program, service, url: `http://127.0.0.1:${port}`, env });
    }
  }
  return replicas;
};

/** The own address of each service; with several replicas, of the first. */
export const firstUrls = (replicas: readonly Replica[]): Readonly<Record<ServiceName, string>> =>
  Object.fromEntries(replicas.toReversed().map(({ service, url }) => [service, url])) as Record<
    ServiceName,
    string
  >;

export const createPrograms = async (
  options: ServicesOptions,
  replicas: readonly Replica[],
): Promise<Map<string, Program>> => {
  const logs = join(options.stateDir, 'logs');
  await mkdir(logs, { recursive: true, mode: 0o700 });
  const bundles = options.bundles ?? join(root, 'dist', 'services');
  if (options.separate === true) {
    return new Map(
      replicas.map(({ program: name, service, url, env }) => {
        const args = ['--enable-source-maps', join(bundles, `${service}.js`)];
        const ready = (): Promise<void> => becomeReady(options, service, url);
        return [name, createProgram({ name, args, env, logFile: join(logs, `${name}.log`), ready })];
      }),
    );
  }
  const settingsFile = join(options.stateDir, 'services.json');
  const settings = Object.fromEntries(replicas.map(({ service, env }) => [service, env]));
  await writeFile(settingsFile, JSON.stringify(settings), { mode: 0o600 });
  const args = ['--enable-source-maps', join(root, 'tools', 'system', 'all-services.ts'), settingsFile];
  const ready = async (): Promise<void> => {
    await Promise.all(replicas.map(({ service, url }) => becomeReady(options, service, url)));
  };
  const logFile = join(logs, 'services.log');
  return new Map([['services', createProgram({ name: 'services', args, env: baseEnv(), logFile, ready })]]);
};
