/**
 * Jobs per second through the whole system: POST → JobCreated → JobAssigned → claim → end, four events each in store,
 * stream and `audit_logs`.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { jetstreamManager } from '@nats-io/jetstream';
import { connectBus } from '@signalbox/bus-nats';
import { eventsStreamName, inboxPrefixOf } from '@signalbox/contracts';
import { Client } from 'pg';
import type { System } from '@signalbox/tools/system';
import { type Part, cpuOfParts } from './cpu.ts';
import { type Fleet, deviceOf, whileDevicesRun } from './fleet.ts';
import { inParallel } from './measure.ts';

export interface PipelineResult {
  readonly acceptedPerSecond: number;
  /** From the first request to the last job's fourth row in `audit_logs`. */
  readonly jobsPerSecond: number;
  /** CPU milliseconds per job, by process. */
  readonly cpuMsPerJob: Readonly<Record<string, number>>;
}

const rowsPerJob = 4;
const lookEveryMs = 20;

interface Counts {
  readonly stored: number;
  readonly published: number;
}

/** Events in the store, and messages that the stream has taken in its life. */
const countAll = async (system: System): Promise<Counts> => {
  const postgres = new Client({ connectionString: system.databaseUrl });
  await postgres.connect();
  const { rows } = await postgres.query<{ count: string }>('select count(*) as count from events.log');
  await postgres.end();
  const nc = await connectBus({
    url: system.natsUrlOf('operator'),
    name: 'bench',
    inboxPrefix: inboxPrefixOf('operator'),
  });
  const { state } = await (await jetstreamManager(nc)).streams.info(eventsStreamName);
  await nc.close();
  return { stored: Number(rows[0]?.count), published: state.last_seq };
};

/** Position of the newest audit row; empty where there is none. */
export const newest = async ({ auditor }: Fleet): Promise<string> => {
  const { rows } = await auditor.query<{ newest: string }>(
    `select coalesce(max(position), '') as newest from audit_logs`,
  );
  return rows[0]?.newest ?? '';
};

/** Waits until this many rows follow the position. Only the jobs' own rows are looked at, however long the log is. */
const rowsAfter = async ({ auditor }: Fleet, position: string, expected: number): Promise<void> => {
  for (;;) {
    const { rows } = await auditor.query<{ count: string }>({
      name: 'bench-count',
      text: 'select count(*) as count from audit_logs where position > $1',
      values: [position],
    });
    if (Number(rows[0]?.count) >= expected) return;
    await pause(lookEveryMs);
  }
};

/** Each job of the run has exactly its four rows. */
const checkRows = async ({ auditor }: Fleet, position: string, jobs: number): Promise<void> => {
  const { rows } = await auditor.query<{ rows: string; jobs: string }>(
    `select count(*) as jobs, s.rows from (select count(*) as rows from audit_logs where position > $1
       group by correlation_id) s group by s.rows`,
    [position],
  );
  const [only] = rows;
  if (rows.length !== 1 || Number(only?.rows) !== rowsPerJob || Number(only?.jobs) !== jobs)
    throw new Error(`expected ${jobs} jobs with ${rowsPerJob} rows each, got ${JSON.stringify(rows)}`);
};

const partsOf = ({ system, agents }: Fleet): readonly Part[] => [
  ...[...system.programs].map(([name, { pid }]) => ({ name, pid })),
  { name: 'Postgres', pid: system.postgres?.pid },
  { name: 'nats-server', pid: system.nats?.pid },
  { name: 'the agents', pid: agents.pid },
  { name: 'the client', pid: process.pid, alone: true },
];

/** Runs the jobs, spread evenly over the devices. @param inFlight create requests that are under way at once */
export const runPipeline = (
  fleet: Fleet,
  { jobs, inFlight }: { readonly jobs: number; readonly inFlight: number },
): Promise<PipelineResult> =>
  whileDevicesRun(fleet, fleet.devices.length, async () => {
    const { ended: endedBefore } = await fleet.agents.ask('take', null);
    const [before, position] = [await countAll(fleet.system), await newest(fleet)];
    const cpu = cpuOfParts(partsOf(fleet));
    const begun = performance.now();
    const numbers = Array.from({ length: jobs }, (_, index) => index);
    await inParallel(inFlight, numbers, (index) => fleet.createJob(deviceOf(fleet, index)));
    const accepted = performance.now();
    while ((await fleet.agents.ask('take', null)).ended - endedBefore < jobs) await pause(lookEveryMs);
    await rowsAfter(fleet, position, jobs * rowsPerJob);
    const audited = performance.now();
    const cpuMsPerJob = cpu.msEach(jobs);
    await checkRows(fleet, position, jobs);
    const after = await countAll(fleet.system);
    const grown = [after.stored - before.stored, after.published - before.published];
    if (grown.some((count) => count !== jobs * rowsPerJob))
      throw new Error(
        `expected ${jobs * rowsPerJob} more events in store and stream, got ${grown.join(', ')}`,
      );
    return {
      acceptedPerSecond: (jobs / (accepted - begun)) * 1000,
      jobsPerSecond: (jobs / (audited - begun)) * 1000,
      cpuMsPerJob,
    };
  });
