/** What the running system says of itself in `.signalbox/run.json`. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './service-files.ts';

export const runFile = join(root, '.signalbox', 'run.json');

export interface RunFile {
  readonly apiUrl?: string;
  readonly databaseUrl?: string;
  readonly auditUrl?: string;
  readonly adminKeyFile?: string;
  readonly kurrentdbUrl?: string;
}

/** Empty while no system runs. */
export const readRun = (): RunFile => {
  if (!existsSync(runFile)) return {};
  const run: RunFile = JSON.parse(readFileSync(runFile, 'utf8'));
  return run;
};
