import { randomBytes } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from './free-port.ts';
import { removeOwner, stopLeftover, writeOwner } from './owner.ts';
import { PortInUse, ServerFailed, type ServerProcess, spawnServer } from './server-process.ts';

const readyTimeoutMs = 30_000;
const stopTimeoutMs = 10_000;
const answerTimeoutMs = 2_000;
const portTries = 10;
const clashPatienceMs = 5_000;

export interface NatsOptions {
  /** Path of nats-server, as `findNatsServer` answers it. */
  readonly binary: string;
  /** Folder of JetStream's files; made when missing. Configuration, log and owner file are put beside it. */
  readonly storeDir: string;
  /** Port on 127.0.0.1; 0 or absent: a free one. */
  readonly port?: number;
  /** Opens the HTTP monitoring port, on a free port of 127.0.0.1. Default false. */
  readonly monitor?: boolean;
  /** Further text of the configuration file, such as users with their permissions. The file is readable by us only. */
  readonly config?: string;
}

export interface NatsServer {
  /** Without credentials; the same after every `start`. */
  readonly url: string;
  readonly port: number;
  /** Undefined while it is not running. */
  readonly pid: number | undefined;
  readonly storeDir: string;
  /** Address of the HTTP monitoring port; undefined unless it was asked for. */
  readonly monitorUrl: string | undefined;
  /** Resolves with how it ended when the server that runs now ends, for whatever reason. */
  exited(): Promise<string>;
  /** Ends it in order and waits. Idempotent. */
  stop(): Promise<void>;
  /** Signals it (SIGKILL by default) and waits for its end, except after SIGSTOP and SIGCONT. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again on the same port with what the store holds; nothing happens while it runs. */
  start(): Promise<void>;
}

interface Setup {
  readonly options: NatsOptions;
  readonly storeDir: string;
  readonly ownerFile: string;
  readonly logFile: string;
  readonly configFile: string;
  /** Random: tells our server from another one that listens on the port. */
  readonly name: string;
}

interface Ports {
  readonly port: number;
  readonly monitorPort: number | undefined;
}

const configText = ({ name, storeDir, options }: Setup, { port, monitorPort }: Ports): string =>
  [
    `server_name: "${name}"`,
    `listen: "127.0.0.1:${port}"`,
    ...(monitorPort === undefined ? [] : [`http: "127.0.0.1:${monitorPort}"`]),
    `jetstream { store_dir: ${JSON.stringify(storeDir)} }`,
    options.config ?? '',
    '',
  ].join('\n');

/** The first line a NATS server sends, or undefined when nobody answers. */
const readGreeting = (port: number): Promise<string | undefined> =>
  new Promise((settle) => {
    let text = '';
    const socket = connect({ port, host: '127.0.0.1' });
    socket.setTimeout(answerTimeoutMs, () => socket.destroy());
    socket.setEncoding('utf8');
    socket.on('data', (part: string) => {
      text += part;
      if (text.includes('\r\n')) socket.destroy();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      settle(text.startsWith('INFO ') ? text : undefined);
    });
  });

const failure = async (server: ServerProcess, port: number): Promise<Error> => {
  const log = await server.log();
  if (log.includes('address already in use')) return new PortInUse('nats-server', port);
  return new ServerFailed('nats-server', await server.exited, log);
};

const becomeReady = async (server: ServerProcess, name: string, port: number): Promise<void> => {
  const deadline = performance.now() + readyTimeoutMs;
  for (;;) {
    const greeting = await readGreeting(port);
    if (!server.isRunning()) throw await failure(server, port);
    if (greeting?.includes(`"${name}"`) === true) return;
    if (performance.now() > deadline) {
      throw new ServerFailed('nats-server', `no answer within ${readyTimeoutMs} ms`, await server.log());
    }
    await delay(10);
  }
};

const launch = async (setup: Setup, ports: Ports): Promise<ServerProcess> => {
  await stopLeftover(setup.ownerFile, setup.storeDir);
  await mkdir(setup.storeDir, { recursive: true, mode: 0o700 });
  await rm(setup.configFile, { force: true });
  await writeFile(setup.configFile, configText(setup, ports), { mode: 0o600 });
  const server = await spawnServer({
    command: setup.options.binary,
    args: ['--config', setup.configFile],
    logFile: setup.logFile,
    account: undefined,
  });
  try {
    await writeOwner(setup.ownerFile, server.pid);
    await becomeReady(server, setup.name, ports.port);
    return server;
  } catch (error) {
    await server.stop(stopTimeoutMs);
    await removeOwner(setup.ownerFile);
    throw error;
  }
};

/** Tries other ports when one was taken between the choice and the start. */
const launchFirst = async (setup: Setup): Promise<{ server: ServerProcess; ports: Ports }> => {
  for (let attempt = 1; ; attempt += 1) {
    const wanted = setup.options.port ?? 0;
    const ports = {
      port: wanted === 0 ? await freePort() : wanted,
      monitorPort: setup.options.monitor === true ? await freePort() : undefined,
    };
    try {
      return { server: await launch(setup, ports), ports };
    } catch (error) {
      if (!(error instanceof PortInUse) || wanted !== 0 || attempt === portTries) throw error;
    }
  }
};

/** A restart has no choice of port: it waits for a while if somebody holds it. */
const launchAgain = async (setup: Setup, ports: Ports): Promise<ServerProcess> => {
  const deadline = performance.now() + clashPatienceMs;
  for (;;) {
    try {
      return await launch(setup, ports);
    } catch (error) {
      if (!(error instanceof PortInUse) || performance.now() > deadline) throw error;
      await delay(100);
    }
  }
};

const serverOf = (setup: Setup, ports: Ports, first: ServerProcess): NatsServer => {
  let current: ServerProcess | undefined = first;
  const running = () => (current?.isRunning() === true ? current : undefined);
  return {
    url: `nats://127.0.0.1:${ports.port}`,
    port: ports.port,
    storeDir: setup.storeDir,
    monitorUrl: ports.monitorPort === undefined ? undefined : `http://127.0.0.1:${ports.monitorPort}`,
    get pid() {
      return running()?.pid;
    },
    exited: () => current?.exited ?? Promise.resolve('not running'),
    stop: async () => {
      await running()?.stop(stopTimeoutMs);
      current = undefined;
      await removeOwner(setup.ownerFile);
    },
    kill: async (signal = 'SIGKILL') => {
      const server = running();
      server?.signal(signal);
      if (signal !== 'SIGSTOP' && signal !== 'SIGCONT') await server?.exited;
    },
    start: async () => {
      if (running() === undefined) current = await launchAgain(setup, ports);
    },
  };
};

/**
 * Starts a nats-server with JetStream on 127.0.0.1, its streams in files under `storeDir`. Ready means that it has sent
 * its greeting, by then the streams are recovered. The server ends when this process ends, however it does.
 *
 * @throws DataInUse another living process has started a server on this store
 * @throws PortInUse the given port is taken
 * @throws ServerFailed it did not become ready; the message holds the end of its log
 */
export const startNats = async (options: NatsOptions): Promise<NatsServer> => {
  const storeDir = resolve(options.storeDir);
  await mkdir(storeDir, { recursive: true, mode: 0o700 });
  const setup: Setup = {
    options,
    storeDir,
    ownerFile: `${storeDir}.owner.json`,
    logFile: `${storeDir}.log`,
    configFile: `${storeDir}.conf`,
    name: `signalbox-${randomBytes(6).toString('hex')}`,
  };
  const { server, ports } = await launchFirst(setup);
  return serverOf(setup, ports, server);
};
