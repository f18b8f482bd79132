import type { Event } from '@signalbox/contracts';
import { eventually } from '@signalbox/testkit';
import { loadMaintenance } from '@signalbox/tools/audit-maintenance';
import { processesWith } from '../agents.ts';
import { judge, lostOutput, settle } from '../judge.ts';
import type { Stack } from '../stack.ts';
import { type Word, acknowledgedChunks, judgeWords } from './observed.ts';
import { streamDiffers } from './published.ts';
import { leaseMs } from './site.ts';

/** What the clients of a run know, to be compared with the log. */
export interface Known {
  readonly acknowledged: ReadonlySet<string>;
  /** What was said to each cancel, by job. */
  readonly canceled: ReadonlyMap<string, string>;
  /** Text in the command line of the process of a job, by job. */
  readonly markers: ReadonlyMap<string, string>;
  readonly words: readonly Word[];
}

const settleMs = 120_000;

/** What is derived from the log and must be empty when nothing is under way, and what must never be there. */
const leftovers = {
  'open assignments of the dispatcher': 'select count(*) from dispatcher.assignments',
  'slots of devices': 'select count(*) from dispatcher.slots',
  'open assignments of the gateway': 'select count(*) from gateway.open_assignments',
  // Rows whose expiry is in the log serve the next claim and are deleted later.
  'leases of attempts': `select count(*) from gateway.leases where state = 'open' or not logged`,
  'parked events of the dispatcher': 'select count(*) from dispatcher.parked',
  'parked events of the gateway': 'select count(*) from gateway.parked',
  'parked events of the audit': 'select count(*) from audit.parked',
} as const;

const untilNothingIsLeft = (stack: Stack): Promise<unknown> =>
  eventually(
    async () => {
      for (const [what, text] of Object.entries(leftovers)) {
        const [row] = await stack.inside(text);
        if (Number(row?.['count']) > 0) throw new Error(`${String(row?.['count'])} ${what}`);
      }
      return true;
    },
    { what: 'nothing to be left of what ended', timeoutMs: 30_000, everyMs: 500 },
  );

/** Fault runs have their log in Postgres. */
const inPostgres = { eventStore: 'postgres', kurrentdbUrl: undefined } as const;

const audited = ['audit_logs', 'job_rows', 'assignment_rows'] as const;

const digests = async (stack: Stack): Promise<Readonly<Record<string, unknown>>> => {
  const found: Record<string, unknown> = {};
  for (const table of audited) {
    const text = `select md5(string_agg(line, '' order by line)) as digest from (select t::text as line from audit.${table} t) lines`;
    found[table] = (await stack.inside(text))[0]?.['digest'];
  }
  return found;
};

/** Invariant 8 with the real thing: the tables that grew against the same tables built anew by the operators' command. */
const rebuiltDiffers = async (stack: Stack): Promise<readonly string[]> => {
  const grown = await digests(stack);
  await (await loadMaintenance()).rebuild(stack.system.databaseUrl, inPostgres, () => undefined);
  const rebuilt = await digests(stack);
  return audited
    .filter((table) => grown[table] !== rebuilt[table])
    .map((table) => `8: expected audit.${table} built anew to equal the one that grew, got another`);
};

const chunksMissing = async (stack: Stack, words: readonly Word[]): Promise<readonly string[]> => {
  const rows = await stack.inside('select assignment_id, attempt, sequence from gateway.output');
  const stored = new Set(
    rows.map((row) => [row['assignment_id'], row['attempt'], row['sequence']].map(String).join(' ')),
  );
  return [...acknowledgedChunks(words)]
    .filter((chunk) => !stored.has(chunk))
    .map((chunk) => `3: expected the acknowledged chunk ${chunk} to be stored, got none`);
};

const cancelsMissing = (events: readonly Event[], canceled: Known['canceled']): readonly string[] => {
  const requested = new Set(
    events.flatMap((each) => (each.type === 'JobCancelRequested' ? [each.data.jobId] : [])),
  );
  return [...canceled]
    .filter(([jobId, outcome]) => outcome !== 'already-ended' && !requested.has(jobId))
    .map(
      ([jobId, outcome]) =>
        `6: expected JobCancelRequested of ${jobId}, whose cancel was answered ${outcome}, got none`,
    );
};

/** An agent that says how its attempt ended has ended the process: none must run any more. */
const processesLeft = async (
  events: readonly Event[],
  markers: Known['markers'],
): Promise<readonly string[]> => {
  const found: string[] = [];
  for (const event of events) {
    if (event.type !== 'JobStatusChanged' || event.data.job === null || event.actor.type !== 'agent')
      continue;
    const marker = markers.get(event.data.jobId);
    if (marker === undefined) continue;
    const left = await processesWith(marker);
    if (left.length > 0)
      found.push(
        `6: expected no process of ${event.data.jobId} after ${event.data.to}, got ${left.join(', ')} (${marker})`,
      );
  }
  return found;
};

const acknowledgedMissing = (
  events: readonly Event[],
  acknowledged: ReadonlySet<string>,
): readonly string[] => {
  const created = new Set(events.flatMap((each) => (each.type === 'JobCreated' ? [each.data.jobId] : [])));
  return [...acknowledged]
    .filter((jobId) => !created.has(jobId))
    .map((jobId) => `1: expected JobCreated of the acknowledged job ${jobId}, got none`);
};

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Runs a check whose failure to come to an end is a violation too. */
const attempt = async (invariant: string, work: () => Promise<unknown>): Promise<readonly string[]> => {
  try {
    await work();
    return [];
  } catch (error) {
    return [`${invariant}: ${messageOf(error)}`];
  }
};

export interface Verdict {
  readonly violations: readonly string[];
  /** Things looked at, by invariant. */
  readonly checked: Readonly<Record<string, number>>;
  readonly events: readonly Event[];
}

/** Waits until nothing is under way, then judges the log and all that clients and devices know beside it. */
export const reachVerdict = async (stack: Stack, known: Known): Promise<Verdict> => {
  const unsettled = await attempt('1', () => settle(stack, known.acknowledged, settleMs));
  const left = unsettled.length > 0 ? [] : await attempt('8', () => untilNothingIsLeft(stack));
  const { violations, checked, events } = await judge(stack, leaseMs, [], settleMs);
  const output = (await lostOutput(stack)).map(
    (row) => `3: expected all output of an attempt, got ${JSON.stringify(row)}`,
  );
  return {
    events,
    checked: { ...checked, words: known.words.length, cancels: known.canceled.size },
    violations: [
      ...unsettled,
      ...left,
      ...violations,
      ...output,
      ...acknowledgedMissing(events, known.acknowledged),
      ...judgeWords(known.words, events),
      ...(await chunksMissing(stack, known.words)),
      ...cancelsMissing(events, known.canceled),
      ...(await processesLeft(events, known.markers)),
      ...(await streamDiffers(stack.system, events)),
      ...(await rebuiltDiffers(stack)),
    ],
  };
};
