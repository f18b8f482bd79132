/** The whole system on this machine: servers, services, router, agent. Used by start, demo, tests and bench alike. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type BusUser, renderAuthorization } from '@signalbox/contracts';
import {
  type NatsServer,
  type PostgresServer,
  findNatsServer,
  freePort,
  startNats,
  startPostgres,
} from '@signalbox/embedded';
import { type ServiceName, agentFile, root, serviceFile, serviceNames } from '../service-files.ts';
import { type NatsPasswords, keptNatsPasswords, natsEnv } from './nats-passwords.ts';
import { type Program, answersOk, createProgram } from './program.ts';
import { type Router, startRouter } from './router.ts';

export interface SystemOptions {
  /** Folder of all state: servers' data, keys, logs, `run.json`. */
  readonly stateDir: string;
  /** Public port; 0 is a free one. */
  readonly port: number;
  /** Each service as its own process, as in production; default: all in one. */
  readonly separate?: boolean;
  /** Further settings for all services, such as shorter leases in tests. */
  readonly settings?: Readonly<Partial<Record<ServiceName, Readonly<Record<string, string>>>>>;
  /** Servers of one's own instead of the embedded ones. */
  readonly databaseUrl?: string | undefined;
  readonly natsUrl?: string | undefined;
  /** Where the log is, instead of in Postgres. */
  readonly kurrentdbUrl?: string | undefined;
  /** Goes on when a service lives and is not ready (a halted relay, parked events), saying why: somebody may look at it. */
  readonly startUnready?: boolean;
  /** Progress, a line each. */
  readonly log?: (line: string) => void;
}

export interface System {
  /** Public address, for people and agents. */
  readonly url: string;
  readonly adminKey: string;
  readonly adminKeyFile: string;
  readonly databaseUrl: string;
  readonly auditUrl: string;
  /** For programs of others: they may read events and nothing else. */
  readonly natsUrl: string;
  /** Address with the credentials of a user of NATS; a server of one's own is answered as it was given. */
  natsUrlOf(user: BusUser): string;
  /** Settings with which one more replica of a service finds its servers; its port is missing. */
  envOf(name: ServiceName): Readonly<Record<string, string>>;
  readonly stateDir: string;
  /** The gateway's and the api's own addresses, as an Ingress sees them. */
  readonly gatewayUrl: string;
  readonly apiUrl: string;
  /** Each service's own address, with its health and metrics. */
  readonly urls: Readonly<Record<ServiceName, string>>;
  /** Undefined where a server of one's own is used. */
  readonly postgres: PostgresServer | undefined;
  readonly nats: NatsServer | undefined;
  /** By name of the service where each has its own process; else one entry `services`. */
  readonly programs: ReadonlyMap<string, Program>;
  /** Starts an agent with its own state folder; enrols it first where it is new. */
  startAgent(name: string): Promise<Program>;
  stop(): Promise<void>;
}

const portNames: Record<ServiceName, string> = {
  scheduler: 'SIGNALBOX_SCHEDULER_PORT',
  dispatcher: 'SIGNALBOX_DISPATCHER_PORT',
  audit: 'SIGNALBOX_AUDIT_PORT',
  'device-gateway': 'SIGNALBOX_GATEWAY_PORT',
  api: 'SIGNALBOX_API_PORT',
};

/** A secret that is made at the first start and kept, readable by us only. */
const keptSecret = async (file: string, make: () => string): Promise<string> => {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch {
    const secret = make();
    await writeFile(file, `${secret}\n`, { mode: 0o600, flag: 'wx' });
    return secret;
  }
};

const withUser = (url: string, user: string, password: string): string => {
  const changed = new URL(url);
  changed.username = user;
  changed.password = password;
  return changed.href;
};

interface Servers {
  readonly postgres: PostgresServer | undefined;
  readonly nats: NatsServer | undefined;
  readonly databaseUrl: string;
  /** Without credentials, unless it is a server of one's own and was given with them. */
  readonly natsUrl: string;
  /** Undefined where a server of one's own is used. */
  readonly natsPasswords: NatsPasswords | undefined;
  readonly kurrentdbUrl: string | undefined;
}

const startServers = async (options: SystemOptions, log: (line: string) => void): Promise<Servers> => {
  const { stateDir, databaseUrl, natsUrl } = options;
  const natsPasswords = natsUrl === undefined ? await keptNatsPasswords(stateDir) : undefined;
  const startOwnNats = async (): Promise<NatsServer> => {
    const binary = await findNatsServer({ cacheDir: join(root, '.signalbox', 'cache'), log });
    const config = natsPasswords && renderAuthorization((user) => JSON.stringify(natsPasswords[user]));
    return startNats({
      binary,
      storeDir: join(stateDir, 'nats'),
      ...(config === undefined ? {} : { config }),
    });
  };
  const [postgres, nats] = await Promise.allSettled([
    databaseUrl === undefined ? startPostgres({ dataDir: join(stateDir, 'postgres') }) : undefined,
    natsUrl === undefined ? startOwnNats() : undefined,
  ]);
  if (postgres.status === 'rejected' || nats.status === 'rejected') {
    if (postgres.status === 'fulfilled') await postgres.value?.stop();
    if (nats.status === 'fulfilled') await nats.value?.stop();
    throw postgres.status === 'rejected'
      ? postgres.reason
      : nats.status === 'rejected'
        ? nats.reason
        : undefined;
  }
  return {
    postgres: postgres.value,
    nats: nats.value,
    databaseUrl: databaseUrl ?? postgres.value?.url ?? '',
    natsUrl: natsUrl ?? nats.value?.url ?? '',
    natsPasswords,
    kurrentdbUrl: options.kurrentdbUrl,
  };
};

/** Only what a service needs: nothing of the caller's environment leaks into it. */
const baseEnv = (): Record<string, string> => ({
  PATH: process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin',
  HOME: process.env['HOME'] ?? '/',
  TZ: 'UTC',
});

/** The log's place, for all services alike. */
const storeEnv = (url: string | undefined): Readonly<Record<string, string>> =>
  url === undefined ? {} : { SIGNALBOX_EVENT_STORE: 'kurrentdb', SIGNALBOX_KURRENTDB_URL: url };

const serviceEnv = (servers: Servers, name: ServiceName): Readonly<Record<string, string>> => ({
  ...baseEnv(),
  DATABASE_URL: servers.databaseUrl,
  NATS_URL: servers.natsUrl,
  ...storeEnv(servers.kurrentdbUrl),
  ...(servers.natsPasswords === undefined ? {} : natsEnv(servers.natsPasswords, name)),
});

const becomeReady = async (options: SystemOptions, name: ServiceName, url: string): Promise<void> => {
  try {
    await answersOk(`${url}/health/ready`, options.startUnready === true ? 20_000 : 60_000);
  } catch (error) {
    if (options.startUnready !== true) throw error;
    await answersOk(`${url}/health/live`, 1_000);
    options.log?.(`${name} is not ready: ${error instanceof Error ? error.message : String(error)}`);
  }
};

const createPrograms = async (
  options: SystemOptions,
  servers: Servers,
  secrets: { readonly adminKey: string; readonly auditPassword: string },
): Promise<{ readonly programs: Map<string, Program>; readonly urls: Record<ServiceName, string> }> => {
  const ports: Record<string, number> = {};
  for (const name of serviceNames) ports[name] = await freePort();
  const url = (name: ServiceName): string => `http://127.0.0.1:${ports[name]}`;
  const urls = Object.fromEntries(serviceNames.map((name) => [name, url(name)])) as Record<
    ServiceName,
    string
  >;
  const special: Partial<Record<ServiceName, Record<string, string>>> = {
    api: { SIGNALBOX_BOOTSTRAP_ADMIN_KEY: secrets.adminKey },
    audit: { SIGNALBOX_AUDIT_READER_PASSWORD: secrets.auditPassword },
  };
  const envOf = (name: ServiceName): Record<string, string> => ({
    ...serviceEnv(servers, name),
    [portNames[name]]: String(ports[name]),
    ...special[name],
    ...options.settings?.[name],
  });
  const logs = join(options.stateDir, 'logs');
  await mkdir(logs, { recursive: true, mode: 0o700 });
  const ready = (name: ServiceName) => () => becomeReady(options, name, url(name));
  const programs = new Map<string, Program>();
  if (options.separate === true) {
    for (const name of serviceNames) {
      const logFile = join(logs, `${name}.log`);
      programs.set(
        name,
        createProgram({
          name,
          args: ['--enable-source-maps', serviceFile(name)],
          env: envOf(name),
          logFile,
          ready: ready(name),
        }),
      );
    }
    return { programs, urls };
  }
  const settingsFile = join(options.stateDir, 'services.json');
  const settings = Object.fromEntries(serviceNames.map((name) => [name, envOf(name)]));
  await writeFile(settingsFile, JSON.stringify(settings), { mode: 0o600 });
  const args = ['--enable-source-maps', join(root, 'tools', 'system', 'all-services.ts'), settingsFile];
  const allReady = async (): Promise<void> => {
    await Promise.all(serviceNames.map((name) => ready(name)()));
  };
  const logFile = join(logs, 'services.log');
  programs.set(
    'services',
    createProgram({ name: 'services', args, env: baseEnv(), logFile, ready: allReady }),
  );
  return { programs, urls };
};

const enrolmentToken = async (url: string, adminKey: string, name: string): Promise<string> => {
  const answer = await fetch(`${url}/api/v1/enrolment-tokens`, {
    method: 'POST',
    headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name }),
  });
  const body: unknown = await answer.json();
  if (answer.status !== 201 || typeof body !== 'object' || body === null || !('token' in body)) {
    throw new Error(`expected an enrolment token, got ${answer.status}: ${JSON.stringify(body)}`);
  }
  return String(body.token);
};

/** Starts agents, each with its own state folder and process; one without a credential gets a one-time token. */
const agentStarter =
  (stateDir: string, url: string, adminKey: string, agents: Program[]) =>
  async (name: string): Promise<Program> => {
    const agentDir = join(stateDir, 'agents', name);
    await mkdir(agentDir, { recursive: true, mode: 0o700 });
    const env = baseEnv();
    if (!existsSync(join(agentDir, 'credential.json'))) {
      env['SIGNALBOX_TOKEN'] = await enrolmentToken(url, adminKey, name);
    }
    const args = [agentFile, '--server', url, '--state-dir', agentDir, '--name', name];
    const agent = createProgram({ name, args, env, logFile: join(stateDir, 'logs', `agent-${name}.log`) });
    agents.push(agent);
    await agent.start();
    return agent;
  };

/** Address of NATS with the password of one of its users, where the server is ours. */
const natsUrlFor = ({ natsUrl, natsPasswords }: Servers, user: BusUser): string =>
  natsPasswords === undefined ? natsUrl : withUser(natsUrl, user, natsPasswords[user]);

/** Addresses for people and tools; it holds passwords, so only we can read it. */
const writeRunFile = async (stateDir: string, run: Readonly<Record<string, string>>): Promise<void> => {
  await writeFile(join(stateDir, 'run.json'), `${JSON.stringify(run, null, 2)}\n`, { mode: 0o600 });
};

/** Starts everything and resolves when every service is ready. What was started is stopped again when a step fails. */
export const startSystem = async (options: SystemOptions): Promise<System> => {
  const { stateDir } = options;
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  const adminKeyFile = join(stateDir, 'admin.key');
  const adminKey = await keptSecret(adminKeyFile, () => `sbk_${randomBytes(32).toString('base64url')}`);
  const auditPassword = await keptSecret(join(stateDir, 'audit-reader.key'), () =>
    randomBytes(24).toString('base64url'),
  );
  const servers = await startServers(options, options.log ?? (() => undefined));
  const agents: Program[] = [];
  let programs = new Map<string, Program>();
  let router: Router | undefined;
  const stop = async (): Promise<void> => {
    await Promise.all(agents.map((agent) => agent.stop(40_000)));
    await router?.stop();
    await Promise.all([...programs.values()].map((program) => program.stop()));
    await Promise.all([servers.nats?.stop(), servers.postgres?.stop()]);
    await rm(join(stateDir, 'run.json'), { force: true });
  };
  try {
    const created = await createPrograms(options, servers, { adminKey, auditPassword });
    ({ programs } = created);
    const gatewayUrl = created.urls['device-gateway'];
    router = await startRouter(options.port, { api: created.urls.api, gateway: gatewayUrl });
    await Promise.all([...programs.values()].map((program) => program.start()));
    const { url } = router;
    const { databaseUrl, kurrentdbUrl } = servers;
    const natsUrlOf = (user: BusUser): string => natsUrlFor(servers, user);
    const natsUrl = natsUrlOf('subscriber');
    const natsOperatorUrl = natsUrlOf('operator');
    const auditUrl = withUser(databaseUrl, 'signalbox_audit_reader', auditPassword);
    await writeRunFile(stateDir, {
      apiUrl: url,
      natsUrl,
      natsOperatorUrl,
      databaseUrl,
      auditUrl,
      adminKeyFile,
      ...(kurrentdbUrl === undefined ? {} : { kurrentdbUrl }),
    });
    const startAgent = agentStarter(stateDir, url, adminKey, agents);
    const envOf = (name: ServiceName): Readonly<Record<string, string>> => serviceEnv(servers, name);
    const addresses = {
      url,
      auditUrl,
      gatewayUrl,
      apiUrl: created.urls.api,
      urls: created.urls,
      databaseUrl,
      natsUrl,
      natsUrlOf,
      envOf,
    };
    const { postgres, nats } = servers;
    return { postgres, nats, ...addresses, adminKey, adminKeyFile, stateDir, programs, startAgent, stop };
  } catch (error) {
    await stop();
    throw error;
  }
};
