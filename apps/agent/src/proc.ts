import { readFileSync, readdirSync } from 'node:fs';
import { markerName, stepName } from './environment.ts';

/** One process as the kernel shows it. */
export interface ProcessEntry {
  readonly pid: number;
  /** One letter; `Z` and `X` are processes that have ended. */
  readonly state: string;
  readonly group: number;
  readonly session: number;
  /** Clock ticks since boot: pid and start together name one process for as long as the system is up. */
  readonly startTicks: number;
}

/** Reads `/proc/<pid>/stat`; undefined for text of another form. The program's name may hold spaces and brackets. */
export const parseStat = (text: string): ProcessEntry | undefined => {
  const nameEnd = text.lastIndexOf(')');
  const pid = Number.parseInt(text, 10);
  const rest = text.slice(nameEnd + 2).split(' ');
  const [state, group, session, startTicks] = [rest[0], Number(rest[2]), Number(rest[3]), Number(rest[19])];
  if (nameEnd < 0 || state === undefined || !Number.isInteger(pid) || !Number.isInteger(startTicks)) {
    return undefined;
  }
  return { pid, state, group, session, startTicks };
};

const readText = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined; // gone meanwhile, of another user, or no /proc here
  }
};

/** True where processes can be listed; elsewhere only whole groups can be asked for. */
export const hasProc = (): boolean => readText('/proc/self/stat') !== undefined;

/** One process, or undefined when there is none of that pid. */
export const findProcess = (pid: number): ProcessEntry | undefined => {
  const text = readText(`/proc/${pid}/stat`);
  return text === undefined ? undefined : parseStat(text);
};

/** Processes that one has started and that still run; empty where the kernel does not list them. */
export const childrenOf = (pid: number): readonly number[] =>
  (readText(`/proc/${pid}/task/${pid}/children`) ?? '')
    .split(' ')
    .filter((word) => word !== '')
    .map(Number);

/** All processes that have not ended; empty without /proc. */
export const listProcesses = (): readonly ProcessEntry[] => {
  let names: readonly string[];
  try {
    names = readdirSync('/proc');
  } catch {
    return [];
  }
  return names
    .filter((name) => /^\d+$/.test(name))
    .map((name) => findProcess(Number(name)))
    .filter((entry) => entry !== undefined)
    .filter((entry) => entry.state !== 'Z' && entry.state !== 'X');
};

/** What marks processes: an attempt, and within it one step; null for all steps. */
export interface Marker {
  readonly attempt: string;
  readonly step: number | null;
}

/** Whether the process was started with this marker in its environment. False for processes of other users. */
export const hasMarker = (pid: number, { attempt, step }: Marker): boolean => {
  const variables = readText(`/proc/${pid}/environ`)?.split('\0') ?? [];
  if (!variables.includes(`${markerName}=${attempt}`)) return false;
  return step === null || variables.includes(`${stepName}=${step}`);
};

/** Changes with every start of the system; null where there is none, so that nothing is compared with it. */
export const bootId = (): string | null => readText('/proc/sys/kernel/random/boot_id')?.trim() ?? null;
