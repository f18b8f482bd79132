/** The audit service's maintenance, and the database on which the programs of this folder run it. */
import { type EventStoreSettings, readEventStoreSettings } from '@signalbox/event-store-choice';
import { readRun, runFile } from './run-file.ts';

export interface RebuildProgress {
  readonly events: number;
  readonly parked: number;
  readonly position: string;
  readonly head: string;
}

export interface ParkedRow {
  readonly position: string;
  readonly stream: string;
  readonly type: string;
  readonly parkedAt: string;
  readonly reason: string;
}

/** What `services/audit/src/maintenance.ts` exports. */
interface Maintenance {
  readonly rebuild: (
    databaseUrl: string,
    eventStore: EventStoreSettings,
    onProgress: (progress: RebuildProgress) => void,
  ) => Promise<RebuildProgress>;
  readonly parked: (
    databaseUrl: string,
    eventStore: EventStoreSettings,
    limit: number,
  ) => Promise<readonly ParkedRow[]>;
  readonly redrive: (
    databaseUrl: string,
    eventStore: EventStoreSettings,
    stream: string,
  ) => Promise<{ readonly handled: number; readonly left: number }>;
}

/**
 * Address of the database: DATABASE_URL, else that of the running system.
 *
 * @throws Error there is neither
 */
export const databaseUrl = (): string => {
  const given = process.env['DATABASE_URL'];
  if (given !== undefined && given !== '') return given;
  const { databaseUrl: running } = readRun();
  if (running !== undefined) return running;
  throw new Error(`expected DATABASE_URL or a running system (${runFile}), got neither`);
};

/**
 * Where the log is: SIGNALBOX_EVENT_STORE, else as the running system has it where the database is that one's.
 *
 * @param isNamed the database was named, so that it need not be the running system's
 */
export const eventStoreSettings = (isNamed = Boolean(process.env['DATABASE_URL'])): EventStoreSettings => {
  if (isNamed || process.env['SIGNALBOX_EVENT_STORE']) return readEventStoreSettings(process.env);
  const { kurrentdbUrl } = readRun();
  return { eventStore: kurrentdbUrl === undefined ? 'postgres' : 'kurrentdb', kurrentdbUrl };
};

/** Events that a reader has put aside, as the port of readers describes them. */
interface Parked {
  readonly event: { readonly position: string; readonly stream: string; readonly type: string };
  readonly reason: string;
  readonly parkedAt: string;
}

/** What `services/<name>/src/maintenance.ts` of dispatcher and gateway export. */
interface ParkedMaintenance {
  readonly parked: (databaseUrl: string, limit: number) => Promise<readonly Parked[]>;
  readonly redrive: (
    databaseUrl: string,
    stream: string,
    env: Readonly<Record<string, string | undefined>>,
  ) => ReturnType<ParkedEvents['redrive']>;
}

/** Listing and re-driving of parked events of one service. */
export interface ParkedEvents {
  readonly parked: (databaseUrl: string, limit: number) => Promise<readonly ParkedRow[]>;
  readonly redrive: (
    databaseUrl: string,
    stream: string,
  ) => Promise<{ readonly handled: number; readonly left: number }>;
}

/** The services whose readers may have parked events, by the name of their schema. */
export const parkedServices = ['audit', 'dispatcher', 'gateway'] as const;

export const loadParked = async (service: (typeof parkedServices)[number]): Promise<ParkedEvents> => {
  if (service === 'audit') {
    const { parked, redrive } = await loadMaintenance();
    return {
      parked: (url, limit) => parked(url, eventStoreSettings(), limit),
      redrive: (url, stream) => redrive(url, eventStoreSettings(), stream),
    };
  }
  const folder = service === 'gateway' ? 'device-gateway' : service;
  const file = new URL(`../services/${folder}/src/maintenance.ts`, import.meta.url);
  const maintenance: ParkedMaintenance = await import(file.href);
  return {
    redrive: (url, stream) => maintenance.redrive(url, stream, process.env),
    parked: async (url, limit) =>
      (await maintenance.parked(url, limit)).map(({ event, reason, parkedAt }) => ({
        position: event.position,
        stream: event.stream,
        type: event.type,
        reason,
        parkedAt,
      })),
  };
};

export const loadMaintenance = async (): Promise<Maintenance> => {
  const file = new URL('../services/audit/src/maintenance.ts', import.meta.url);
  const maintenance: Maintenance = await import(file.href);
  return maintenance;
};

/** Runs a program of this folder; a failure is one line and exit code 1. */
export const runProgram = async (work: () => Promise<void>): Promise<void> => {
  try {
    await work();
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
};
