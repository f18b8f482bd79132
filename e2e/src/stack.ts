import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { JobAccepted } from '@signalbox/contracts';
import {
  type Client,
  type System,
  type SystemOptions,
  createClient,
  startSystem,
} from '@signalbox/tools/system';
import { type Row, query } from './sql.ts';

/** A system of one spec file, in a folder of its own, with what a test asks it. */
export interface Stack {
  readonly system: System;
  /** With the administrator's key. */
  readonly admin: Client;
  client(key: string): Client;
  /** Rows by the auditors' read-only door: unqualified names are the audit's. */
  audit(text: string, values?: readonly unknown[]): Promise<Row[]>;
  /** Rows by the owner of the database: what the platform keeps for itself. */
  inside(text: string, values?: readonly unknown[]): Promise<Row[]>;
  /** Creates a job as the administrator. */
  createJob(request: Readonly<Record<string, unknown>>, key?: string): Promise<JobAccepted>;
  /** Stops everything and deletes what it left. */
  close(): Promise<void>;
}

/** `SIGNALBOX_KEEP_STATE=1` leaves the folder with the logs behind, for whoever looks into a failure. */
const isKept = (): boolean => process.env['SIGNALBOX_KEEP_STATE'] === '1';

/** Starts a system in a new folder, or again in the folder of an earlier one. */
export const openStack = async (
  options: Omit<SystemOptions, 'stateDir' | 'port'> & {
    readonly stateDir?: string;
    readonly port?: number | undefined;
  } = {},
): Promise<Stack> => {
  const stateDir = options.stateDir ?? (await mkdtemp(join(tmpdir(), 'signalbox-e2e-')));
  if (isKept()) process.stderr.write(`state of this spec: ${stateDir}\n`);
  const system = await startSystem({ ...options, stateDir, port: options.port ?? 0 });
  const admin = createClient(system.url, system.adminKey);
  return {
    system,
    admin,
    client: (key) => createClient(system.url, key),
    audit: (text, values) => query(system.auditUrl, text, values),
    inside: (text, values) => query(system.databaseUrl, text, values),
    createJob: async (request, key) => {
      const headers = key === undefined ? {} : { 'idempotency-key': key };
      return JobAccepted.parse(await admin.post('/api/v1/jobs', request, headers));
    },
    close: async () => {
      await system.stop();
      if (isKept()) return;
      await system.postgres?.destroy();
      await rm(stateDir, { recursive: true, force: true });
    },
  };
};
