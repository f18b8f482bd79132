import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from './free-port.ts';
import {
  type NatsOptions,
  type NatsPorts,
  type NatsSetup,
  launchNats,
  stopTimeoutMs,
} from './nats-launch.ts';
import { releaseData } from './owner.ts';
import { PortInUse, type ServerProcess } from './server-process.ts';

const portTries = 10;
const clashPatienceMs = 5_000;

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

/** Tries other ports when one was taken between the choice and the start. */
const launchFirst = async (setup: NatsSetup): Promise<{ server: ServerProcess; ports: NatsPorts }> => {
  for (let attempt = 1; ; attempt += 1) {
    const wanted = setup.options.port ?? 0;
    const ports = {
      port: wanted === 0 ? await freePort() : wanted,
      monitorPort: setup.options.monitor === true ? await freePort() : undefined,
    };
    try {
      return { server: await launchNats(setup, ports), ports };
    } catch (error) {
      if (!(error instanceof PortInUse) || wanted !== 0 || attempt === portTries) throw error;
    }
  }
};

/** A restart has no choice of port: it waits for a while if somebody holds it. */
const launchAgain = async (setup: NatsSetup, ports: NatsPorts): Promise<ServerProcess> => {
  const deadline = performance.now() + clashPatienceMs;
  for (;;) {
    try {
      return await launchNats(setup, ports);
    } catch (error) {
      if (!(error instanceof PortInUse) || performance.now() > deadline) throw error;
      await delay(100);
    }
  }
};

const serverOf = (setup: NatsSetup, ports: NatsPorts, first: ServerProcess): NatsServer => {
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
      const server = current;
      if (server === undefined) return;
      await server.stop(stopTimeoutMs);
      await releaseData(setup.ownerFile, server.pid);
      current = undefined;
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
  const setup: NatsSetup = {
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
