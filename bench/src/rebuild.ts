/** Events per second of `npm run rebuild-audit`, as operators run it, beside the services. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { System } from '@signalbox/tools/system';
import { auditInserts } from './ceilings.ts';
import type { Measured } from './figure.ts';
import { fillLog } from './fill.ts';

const program = join(import.meta.dirname, '../../tools/rebuild-audit.ts');

/** Runs the program; answers what it says of itself. */
const rebuild = async (databaseUrl: string): Promise<{ events: number; seconds: number }> => {
  const child = spawn(process.execPath, [program], {
    env: { ...process.env, DATABASE_URL: databaseUrl },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [said, complaint, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ]);
  const [, events, seconds] = /rebuilt from (\d+) events in ([\d.]+) s, 0 parked/.exec(said) ?? [];
  if (code !== 0 || events === undefined)
    throw new Error(`expected a rebuild without parked events, got ${said}${complaint}`);
  return { events: Number(events), seconds: Number(seconds) };
};

/** @param events how many the log holds at least */
export const measureRebuild = async (system: System, events: number): Promise<Measured> => {
  const filled = await fillLog(system.databaseUrl, events);
  const done = await rebuild(system.databaseUrl);
  const rate = (perSecond: number): string => `${perSecond.toFixed(0)}/s`;
  return {
    figures: [
      {
        measurement: 5,
        name: 'rebuild of the audit projection',
        unit: 'events/s',
        value: done.events / done.seconds,
        aim: { atLeast: 15_000 },
        ceiling: await auditInserts(system.databaseUrl),
      },
    ],
    notes: [
      `rebuilt from ${done.events} events in ${done.seconds} s; the log was filled at ${rate(filled.appendedPerSecond)}, ` +
        `and followed to the last audit row at ${rate(filled.followedPerSecond)}`,
    ],
  };
};
