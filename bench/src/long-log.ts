/** What a long log changes: the jobs' rate, and the query for the story of one job. */
import type { Figure, Measured } from './figure.ts';
import { fillLog } from './fill.ts';
import type { Fleet } from './fleet.ts';
import { latencyOf } from './latency.ts';
import type { BenchOptions } from './options.ts';
import { runPipeline } from './pipeline.ts';

const queries = 1_000;
const storyText = 'select * from audit_logs where correlation_id = $1 order by occurred_at';
const someIds = `
  select correlation_id from audit_logs tablesample bernoulli (5) where event_type = 'JobCreated' limit $1`;

/** The query that the documentation shows, for other jobs each time; beside it the least that a query costs. */
const storyLatency = async ({ auditor }: Fleet) => {
  const { rows } = await auditor.query<{ correlation_id: string }>(someIds, [queries]);
  const [story, least]: [number[], number[]] = [[], []];
  for (const { correlation_id } of rows) {
    const begun = performance.now();
    const found = await auditor.query({ name: 'bench-story', text: storyText, values: [correlation_id] });
    story.push(performance.now() - begun);
    if (found.rowCount !== 4)
      throw new Error(`expected four rows of job ${correlation_id}, got ${found.rowCount}`);
    const from = performance.now();
    await auditor.query({ name: 'bench-least', text: 'select 1' });
    least.push(performance.now() - from);
  }
  return { story: latencyOf(story), least: latencyOf(least), queries: rows.length };
};

/** @param shortLog the figure of (1) in this run */
export const measureLongLog = async (
  fleet: Fleet,
  { longLogEvents, jobs, inFlight }: BenchOptions,
  shortLog: Figure,
): Promise<Measured> => {
  const filled = await fillLog(fleet.system.databaseUrl, longLogEvents);
  const { jobsPerSecond } = await runPipeline(fleet, { jobs, inFlight });
  const { story, least, queries: asked } = await storyLatency(fleet);
  const log = `${filled.events} events in the log`;
  const query = { measurement: 6, unit: 'ms', aim: { atMost: 5 } };
  return {
    figures: [
      {
        measurement: 6,
        name: 'jobs end to end with a long log',
        unit: 'jobs/s',
        value: jobsPerSecond,
        aim: { atLeast: shortLog.value * 0.9 },
        ...(shortLog.ceiling === undefined ? {} : { ceiling: shortLog.ceiling }),
      },
      { ...query, name: 'story of one job by SQL, p50', value: story.p50Ms, ceiling: least.p50Ms },
      { ...query, name: 'story of one job by SQL, p99', value: story.p99Ms, ceiling: least.p99Ms },
    ],
    notes: [
      `(6) ${log}; the aim of the jobs is 90 % of (1); ${asked} queries, each for another job; ` +
        `the log was filled at ${filled.appendedPerSecond.toFixed(0)}/s, followed at ${filled.followedPerSecond.toFixed(0)}/s`,
    ],
  };
};
