import type { Event } from '@signalbox/contracts';
import { checkLog } from '@signalbox/domain';
import { eventually } from '@signalbox/testkit';
import { readEvidence } from '@signalbox/tools/log-evidence';
import type { Stack } from './stack.ts';

/** Ends of jobs, as the log has them: the database itself is asked, not a view that may be wrong. */
const endedText = `select distinct correlation_id from events.log
  where type = 'JobStatusChanged' and body::json -> 'job' ->> 'status' is not null`;

/** Waits until every acknowledged job has its end in the log, every job has one, and the audit log has every event. */
export const settle = (stack: Stack, acknowledged: ReadonlySet<string>, timeoutMs = 60_000): Promise<void> =>
  eventually(
    async () => {
      const ended = new Set((await stack.inside(endedText)).map((row) => String(row['correlation_id'])));
      const open = [...acknowledged].filter((id) => !ended.has(id));
      if (open.length > 0)
        throw new Error(`${open.length} acknowledged jobs without an end, such as ${open[0]}`);
      const [row] = await stack.inside(
        `select (select count(*) from events.log where type = 'JobCreated') as created,
                (select count(*) from events.log) as logged, (select count(*) from audit.audit_logs) as audited`,
      );
      if (Number(row?.['created']) > ended.size)
        throw new Error(`${ended.size} of ${String(row?.['created'])} jobs ended`);
      if (row?.['logged'] !== row?.['audited'])
        throw new Error(`${String(row?.['audited'])} of ${String(row?.['logged'])} events in the audit log`);
    },
    { what: 'every job to end and every event to be in the audit log', timeoutMs, everyMs: 250 },
  ).then(() => undefined);

export interface Judgement {
  /** What breaks an invariant, a line each. */
  readonly violations: readonly string[];
  /** How much was looked at, by invariant. */
  readonly checked: Readonly<Record<string, number>>;
  /** The log that was judged. */
  readonly events: readonly Event[];
}

/**
 * Judges the whole log, when nothing is under way, by the invariants of the design.
 *
 * @param slackMs how much later than due a decision may be recorded: as long as those who decide may be away
 */
export const judge = async (
  stack: Stack,
  leaseMs: number,
  secrets: readonly string[] = [],
  slackMs = 30_000,
): Promise<Judgement> => {
  const { evidence, recorded, undecodable } = await readEvidence(stack.system.databaseUrl);
  const findings = checkLog({
    ...evidence,
    settled: true,
    now: new Date().toISOString(),
    leaseMs,
    slackMs,
    secrets: { values: [stack.system.adminKey, ...secrets], recorded },
  });
  const all = [...undecodable, ...Object.values(findings).flatMap((each) => each.violations)];
  return {
    events: evidence.events,
    violations: all.map(
      ({ invariant, stream, position, text }) => `${invariant}: ${text} (${stream} at ${position})`,
    ),
    checked: Object.fromEntries(
      Object.entries(findings).map(([invariant, { checked }]) => [invariant, checked]),
    ),
  };
};

/** Attempts that ended with another number of output bytes than the platform has stored. */
export const lostOutput = (stack: Stack) =>
  stack.inside(
    `with ends as (
       select body::json -> 'assignment' ->> 'id' as id, (body::json -> 'assignment' ->> 'attempt')::int as attempt,
              coalesce(body::json -> 'result', body::json -> 'attemptEnd' -> 'result') as result
       from events.log where type = 'JobStatusChanged' and body::json ->> 'from' = 'IN_PROGRESS'
     )
     select id, attempt, result ->> 'outputBytes' as expected,
            (select coalesce(sum(length(bytes)), 0) from gateway.output o
             where o.assignment_id = ends.id and o.attempt = ends.attempt) as stored
     from ends where json_typeof(result) = 'object'
       and (result ->> 'outputBytes')::bigint <> (select coalesce(sum(length(bytes)), 0) from gateway.output o
             where o.assignment_id = ends.id and o.attempt = ends.attempt)`,
  );
