import { readFileSync } from 'node:fs';
import { homedir, hostname } from 'node:os';
import type { Flags } from './flags.ts';
import { readSettings, type Settings } from './settings.ts';

/** The agent's own environment; steps get it without what belongs to Signalbox. */
export const inheritedEnvironment = (): Readonly<Record<string, string | undefined>> => process.env;

/** Settings of this program from its flags, environment and configuration file. @throws SettingsRefused */
export const loadSettings = (flags: Flags): Settings =>
  readSettings({
    flags,
    environment: process.env,
    readFile: (path) => readFileSync(path, 'utf8'),
    homeDir: homedir(),
    hostName: hostname(),
  });
