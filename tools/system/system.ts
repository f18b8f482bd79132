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
  startNats,
  startPostgres,
} from '@signalbox/embedded';
import { type ServiceName, agentFile, root } from '../service-files.ts';
import { keptNatsPasswords } from './nats-passwords.ts';
import { type Program, createProgram } from './program.ts';
import { type PublicDoor, type PublicDoorOptions, preparePublicDoor } from './public-door.ts';
import { type Router, startRouter } from './router.ts';
import {
  type Access,
  type ServicesOptions,
  baseEnv,
  createPrograms,
  createReplicas,
  firstUrls,
  serviceEnv,
} from './services.ts';

export interface AgentStart {
  /** The platform's address as this agent sees it; default: the public one. */
  readonly url?: string;
  /** Further arguments and variables of its Node, such as a module to load first. */
  readonly nodeArgs?: readonly string[];
  /** Another Node than the one that runs this. */
  readonly node?: string | undefined;
  readonly env?: Readonly<Record<string, string>>;
}

export interface SystemOptions extends ServicesOptions {
  /** Public port; 0 is a free one. */
  readonly port: number;
  /** The door beyond this machine, with TLS; default: none. */
  readonly publicDoor?: PublicDoorOptions | undefined;
  /** Most bytes that JetStream keeps in its files; default: what nats-server takes. */
  readonly natsFileBytes?: number;
  /** Servers of one's own instead of the embedded ones. */
  readonly databaseUrl?: string | undefined;
  readonly natsUrl?: string | undefined;
  /** Where the log is, instead of in Postgres. */
  readonly kurrentdbUrl?: string | undefined;
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
  /** The door beyond this machine, where there is one. */
  readonly publicDoor: PublicDoor | undefined;
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
  /** Own address of every service's process, by the program's name; of services in one process by the service's. */
  readonly addresses: ReadonlyMap<string, string>;
  /** Starts an agent with its own state folder; enrols it first where it is new. */
  startAgent(name: string, how?: AgentStart): Promise<Program>;
  stop(): Promise<void>;
}

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

interface Servers extends Access {
  readonly postgres: PostgresServer | undefined;
  readonly nats: NatsServer | undefined;
}

const startServers = async (options: SystemOptions, log: (line: string) => void): Promise<Servers> => {
  const { stateDir, databaseUrl, natsUrl } = options;
  const natsPasswords = natsUrl === undefined ? await keptNatsPasswords(stateDir) : undefined;
  const startOwnNats = async (): Promise<NatsServer> => {
    const binary = await findNatsServer({ cacheDir: join(root, '.signalbox', 'cache'), log });
    const config = natsPasswords && renderAuthorization((user) => JSON.stringify(natsPasswords[user]));
    const { natsFileBytes: fileBytes } = options;
    return startNats({
      binary,
      storeDir: join(stateDir, 'nats'),
      ...(config === undefined ? {} : { config }),
      ...(fileBytes === undefined ? {} : { fileBytes }),
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
  async (name: string, how: AgentStart = {}): Promise<Program> => {
    const agentDir = join(stateDir, 'agents', name);
    await mkdir(agentDir, { recursive: true, mode: 0o700 });
    const env: Record<string, string> = { ...baseEnv(), ...how.env };
    if (!existsSync(join(agentDir, 'credential.json'))) {
      env['SIGNALBOX_TOKEN'] = await enrolmentToken(url, adminKey, name);
    }
    const args = [
      '--lite-mode', // a third less memory after work
      ...(how.nodeArgs ?? []),
      agentFile,
      '--server',
      how.url ?? url,
      '--state-dir',
      agentDir,
      '--name',
      name,
    ];
    const logFile = join(stateDir, 'logs', `agent-${name}.log`);
    const agent = createProgram({ name, node: how.node, args, env, logFile });
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
    const publicDoor = options.publicDoor && (await preparePublicDoor(stateDir, options.publicDoor));
    const replicas = await createReplicas(options, servers, { adminKey, auditPassword }, publicDoor);
    programs = await createPrograms(options, replicas);
    const urlsOf = (service: ServiceName): readonly string[] =>
      replicas.filter((each) => each.service === service).map((each) => each.url);
    const [gateway, api] = [urlsOf('device-gateway'), urlsOf('api')];
    router = await startRouter(options.port, { api, gateway }, publicDoor);
    await Promise.all([...programs.values()].map((program) => program.start()));
    const { url } = router;
    const { databaseUrl, kurrentdbUrl } = servers;
    const natsUrlOf = (user: BusUser): string => natsUrlFor(servers, user);
    const natsUrl = natsUrlOf('subscriber');
    const natsOperatorUrl = natsUrlOf('operator');
    const auditUrl = withUser(databaseUrl, 'signalbox_audit_reader', auditPassword);
    const run = { apiUrl: url, natsUrl, natsOperatorUrl, databaseUrl, auditUrl, adminKeyFile };
    await writeRunFile(stateDir, { ...run, ...(kurrentdbUrl === undefined ? {} : { kurrentdbUrl }) });
    const startAgent = agentStarter(stateDir, url, adminKey, agents);
    const envOf = (name: ServiceName): Readonly<Record<string, string>> => serviceEnv(servers, name);
    const urls = {
      url,
      publicDoor,
      auditUrl,
      gatewayUrl: gateway[0] ?? '',
      apiUrl: api[0] ?? '',
      urls: firstUrls(replicas),
      addresses: new Map(replicas.map((each) => [each.program, each.url])),
      databaseUrl,
      natsUrl,
      natsUrlOf,
      envOf,
    };
    const { postgres, nats } = servers;
    return { postgres, nats, ...urls, adminKey, adminKeyFile, stateDir, programs, startAgent, stop };
  } catch (error) {
    await stop();
    throw error;
  }
};
