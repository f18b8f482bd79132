import { mkdir, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { claimData, recordServer, releaseData } from './owner.ts';
import { PortInUse, ServerFailed, type ServerProcess, spawnServer } from './server-process.ts';

const readyTimeoutMs = 30_000;
const answerTimeoutMs = 2_000;
/** Longest wait for a shutdown in order, after which the server is killed. */
export const stopTimeoutMs = 10_000;

export interface NatsOptions {
  /** Path of nats-server, as `findNatsServer` answers it. */
  readonly binary: string;
  /** Folder of JetStream's files; made when missing. Configuration, log and owner file are put beside it. */
  readonly storeDir: string;
  /** Port on 127.0.0.1; 0 or absent: a free one. */
  readonly port?: number;
  /** Opens the HTTP monitoring port, on a free port of 127.0.0.1. Default false. */
  readonly monitor?: boolean;
  /** Most bytes of all streams in files; default: three quarters of what the disk has free at the start. */
  readonly fileBytes?: number;
  /** Further text of the configuration file, such as users with their permissions. The file is readable by us only. */
  readonly config?: string;
}

export interface NatsSetup {
  readonly options: NatsOptions;
  readonly storeDir: string;
  readonly ownerFile: string;
  readonly logFile: string;
  readonly configFile: string;
  /** Random: tells our server from another one that listens on the port. */
  readonly name: string;
}

export interface NatsPorts {
  readonly port: number;
  readonly monitorPort: number | undefined;
}

const configText = ({ name, storeDir, options }: NatsSetup, { port, monitorPort }: NatsPorts): string =>
  [
    `server_name: "${name}"`,
    `listen: "127.0.0.1:${port}"`,
    ...(monitorPort === undefined ? [] : [`http: "127.0.0.1:${monitorPort}"`]),
    `jetstream { store_dir: ${JSON.stringify(storeDir)}${options.fileBytes === undefined ? '' : `, max_file_store: ${options.fileBytes}`} }`,
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
    const greeting = await Promise.race([readGreeting(port), server.exited.then(() => undefined)]);
    if (!server.isRunning()) throw await failure(server, port);
    if (greeting?.includes(`"${name}"`) === true) return;
    if (performance.now() > deadline) {
      throw new ServerFailed('nats-server', `no answer within ${readyTimeoutMs} ms`, await server.log());
    }
    await delay(10);
  }
};

const launchClaimed = async (setup: NatsSetup, ports: NatsPorts): Promise<ServerProcess> => {
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
    await recordServer(setup.ownerFile, server.pid);
    await becomeReady(server, setup.name, ports.port);
    return server;
  } catch (error) {
    await server.stop(stopTimeoutMs);
    await releaseData(setup.ownerFile, server.pid);
    throw error;
  }
};

/**
 * Starts the server and resolves when it greets, by then its streams are recovered.
 *
 * @throws DataInUse, PortInUse, ServerFailed
 */
export const launchNats = async (setup: NatsSetup, ports: NatsPorts): Promise<ServerProcess> => {
  await claimData(setup.ownerFile, setup.storeDir);
  try {
    return await launchClaimed(setup, ports);
  } catch (error) {
    await releaseData(setup.ownerFile);
    throw error;
  }
};
