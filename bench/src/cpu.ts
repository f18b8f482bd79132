/** CPU time of processes, from Linux's /proc; where it cannot be read the figures are NaN. */
import { readFileSync, readdirSync } from 'node:fs';

const ticksPerSecond = 100;

interface Stat {
  readonly pid: number;
  readonly parent: number;
  readonly seconds: number;
}

/** One line of /proc/<pid>/stat; the name in parentheses may hold anything, so fields count from behind it. */
const statOf = (pid: number): Stat | undefined => {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    // Own user and system time, then those of children that have ended.
    const ticks = [11, 12, 13, 14].reduce((sum, index) => sum + Number(fields[index]), 0);
    return { pid, parent: Number(fields[1]), seconds: ticks / ticksPerSecond };
  } catch {
    return undefined;
  }
};

/** CPU seconds that this process has used so far, without its children. */
export const ownCpuSeconds = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000_000;
};

/** CPU seconds that these processes and their children have used so far. */
export const cpuSeconds = (pids: readonly (number | undefined)[]): number => {
  const roots = new Set(pids.filter((pid) => pid !== undefined));
  let numbers: number[];
  try {
    numbers = readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return Number.NaN;
  }
  return numbers
    .flatMap((pid) => statOf(pid) ?? [])
    .filter((stat) => roots.has(stat.pid) || roots.has(stat.parent))
    .reduce((sum, stat) => sum + stat.seconds, 0);
};

export interface Part {
  readonly name: string;
  readonly pid: number | undefined;
  /** Without its children, which are parts of their own. */
  readonly alone?: boolean;
}

/** Starts to count; `msEach` answers what was used since, by part, divided by this count. */
export const cpuOfParts = (
  parts: readonly Part[],
): { readonly msEach: (count: number) => Readonly<Record<string, number>> } => {
  const read = ({ pid, alone }: Part): number => (alone === true ? ownCpuSeconds() : cpuSeconds([pid]));
  const before = parts.map(read);
  return {
    msEach: (count) =>
      Object.fromEntries(
        parts.map((part, index) => [part.name, ((read(part) - (before[index] ?? 0)) * 1000) / count]),
      ),
  };
};
