import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Program, type Roads, createClient } from '@signalbox/tools/system';
import { startAgent } from '../agents.ts';
import { type Device, deviceOf, enrolDevice } from '../device.ts';
import { type Stack, openStack } from '../stack.ts';
import { type NatsDisk, openNatsDisk } from './nats-disk.ts';
import { type Road, openRoad } from './proxy.ts';

export const leaseMs = 3_000;

const settings = {
  dispatcher: { SIGNALBOX_DEVICE_LEASE: `${leaseMs}ms` },
  'device-gateway': { SIGNALBOX_DEVICE_LEASE: `${leaseMs}ms` },
};

/** Ten services start at once, on a machine that may have little to spare. */
const readyMs = 180_000;

/** Longest wait of a client of ours for an answer: a paused replica gives none. */
export const requestTimeoutMs = 6_000;

/** A real agent, with its own road to the platform and a clock that can be set. */
export interface SiteAgent {
  readonly program: Program;
  readonly deviceId: string;
  readonly road: Road;
  setClock(offMs: number): Promise<void>;
}

/** The whole system with two replicas of each service, every connection over a road that can be cut. */
export interface Site {
  readonly stack: Stack;
  readonly disk: NatsDisk;
  /** By program, then by server. */
  readonly roads: ReadonlyMap<string, { readonly nats: Road; readonly postgres: Road }>;
  readonly agents: readonly SiteAgent[];
  /** Simulated devices, and the roads of their groups. */
  readonly devices: readonly Device[];
  readonly groupRoads: readonly Road[];
  /** Stops everything; deletes the folder unless it is to be kept. */
  close(keep: boolean): Promise<void>;
}

export interface SiteOptions {
  readonly devices: number;
  readonly agents: number;
  readonly groups: number;
  /** Folder of the services' bundles; default as built. */
  readonly bundles?: string | undefined;
}

const portOf = (url: string): number => Number(new URL(url).port);
const through = (url: string, road: Road): string => {
  const changed = new URL(url);
  changed.port = String(road.port);
  return changed.href;
};

const startAgents = async (
  stack: Stack,
  count: number,
  openTo: (port: number) => Promise<Road>,
): Promise<readonly SiteAgent[]> =>
  Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const road = await openTo(portOf(stack.system.url));
      const file = join(stack.system.stateDir, `clock-${index + 1}`);
      await writeFile(file, '0');
      const { program, deviceId } = await startAgent(stack, `real-${index + 1}`, {
        url: through(stack.system.url, road).replace(/\/$/, ''),
        nodeArgs: ['--import', join(import.meta.dirname, 'clock-jump.mjs')],
        env: { FAULTS_CLOCK_FILE: file },
      });
      const setClock = async (offMs: number): Promise<void> => {
        await writeFile(file, String(offMs));
        await program.kill('SIGUSR2');
      };
      return { program, deviceId, road, setClock };
    }),
  );

const enrolDevices = async (
  stack: Stack,
  count: number,
  roads: readonly Road[],
): Promise<readonly Device[]> => {
  const devices: Device[] = [];
  for (let number = 1; number <= count; number += 1) {
    const road = roads[number % roads.length];
    if (road === undefined) throw new Error('expected a road for each device, got none');
    const enrolled = await enrolDevice(stack.system.url, stack.admin, `sim-${number}`);
    devices.push(deviceOf(through(stack.system.url, road).replace(/\/$/, ''), enrolled, requestTimeoutMs));
  }
  return devices;
};

/** What is open so far, to be closed again, the last first. */
type Closers = (() => Promise<unknown>)[];

const openStackOn = async (
  stateDir: string,
  disk: NatsDisk,
  bundles: string | undefined,
  roads: Map<string, { readonly nats: Road; readonly postgres: Road }>,
): Promise<Stack> => {
  const wire = async (program: string, servers: Roads): Promise<Roads> => {
    const nats = await openRoad(portOf(servers.natsUrl));
    const postgres = await openRoad(portOf(servers.databaseUrl));
    roads.set(program, { nats, postgres });
    return { natsUrl: through(servers.natsUrl, nats), databaseUrl: through(servers.databaseUrl, postgres) };
  };
  return openStack({
    stateDir,
    separate: true,
    replicas: 2,
    settings,
    wire,
    readyMs,
    ...(bundles === undefined ? {} : { bundles }),
    ...(disk.fileBytes === undefined ? {} : { natsFileBytes: disk.fileBytes }),
  });
};

/** Starts everything; what was started is stopped again where a step fails. */
export const openSite = async (options: SiteOptions): Promise<Site> => {
  const closers: Closers = [];
  const closeAll = async (): Promise<void> => {
    for (const close of closers.splice(0).toReversed()) await close();
  };
  const road = async (port: number): Promise<Road> => {
    const opened = await openRoad(port);
    // Agents take leave over their roads when the system stops: those are closed after it.
    closers.unshift(() => opened.close());
    return opened;
  };
  const stateDir = await mkdtemp(join(tmpdir(), 'signalbox-faults-'));
  try {
    const disk = await openNatsDisk(stateDir);
    closers.push(() => disk.close());
    const roads = new Map<string, { readonly nats: Road; readonly postgres: Road }>();
    closers.push(() =>
      Promise.all([...roads.values()].flatMap(({ nats, postgres }) => [nats.close(), postgres.close()])),
    );
    const stack = await openStackOn(stateDir, disk, options.bundles, roads);
    closers.push(() => stack.system.stop());
    const port = portOf(stack.system.url);
    const groupRoads = await Promise.all(Array.from({ length: options.groups }, () => road(port)));
    const devices = await enrolDevices(stack, options.devices, groupRoads);
    const agents = await startAgents(stack, options.agents, road);
    const close = async (keep: boolean): Promise<void> => {
      await closeAll();
      if (keep) return;
      await stack.system.postgres?.destroy();
      await rm(stateDir, { recursive: true, force: true });
    };
    return { stack, disk, roads, agents, devices, groupRoads, close };
  } catch (error) {
    await closeAll();
    throw new Error(`expected the system to start, got a failure; see ${stateDir}`, { cause: error });
  }
};

/** A client that gives up on a replica that does not answer. */
export const impatientClient = ({ stack }: Site) =>
  createClient(stack.system.url, stack.system.adminKey, requestTimeoutMs);
