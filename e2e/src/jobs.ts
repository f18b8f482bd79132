import { type EventRow, JobDetail, AssignmentView, EventPage } from '@signalbox/contracts';
import { eventually } from '@signalbox/testkit';
import { type Client, field } from '@signalbox/tools/system';
import type { Row } from './sql.ts';
import type { Stack } from './stack.ts';

/** A request for one shell step on one device. */
export const shellJob = (
  deviceId: string,
  command: string,
  more: Readonly<Record<string, unknown>> = {},
): Readonly<Record<string, unknown>> => ({
  name: 'shell',
  document: { steps: [{ name: 'run', type: 'runShell', input: { command } }] },
  target: { type: 'device', ids: [deviceId] },
  ...more,
});

/** A request for several shell steps. */
export const stepsJob = (
  deviceId: string,
  commands: Readonly<Record<string, string>>,
  more: Readonly<Record<string, unknown>> = {},
): Readonly<Record<string, unknown>> => ({
  ...shellJob(deviceId, '', more),
  document: {
    steps: Object.entries(commands).map(([name, command]) => ({
      name,
      type: 'runShell',
      input: { command },
    })),
  },
});

export const getJob = async (client: Client, jobId: string, after?: string): Promise<JobDetail> =>
  JobDetail.parse(await client.get(`/api/v1/jobs/${jobId}${after === undefined ? '' : `?after=${after}`}`));

/** The one assignment of a job. */
export const getAssignment = async (client: Client, jobId: string): Promise<AssignmentView> => {
  const answer = await client.get(`/api/v1/jobs/${jobId}/assignments`);
  const items = field(answer, 'items');
  return AssignmentView.parse(Array.isArray(items) ? items[0] : undefined);
};

/** Waits until a job has a status, and answers it. */
export const untilStatus = (
  client: Client,
  jobId: string,
  status: string,
  timeoutMs = 20_000,
): Promise<JobDetail> =>
  eventually(
    async () => {
      const job = await getJob(client, jobId);
      if (job.status === status) return job;
      if (job.endedAt !== null) throw new Error(`it has ended ${job.status}`);
      throw new Error(`it is ${job.status}`);
    },
    { what: `job ${jobId} to be ${status}`, timeoutMs, everyMs: 50 },
  );

/** Waits until a job has ended, and answers it. */
export const untilEnd = (client: Client, jobId: string, timeoutMs = 20_000): Promise<JobDetail> =>
  eventually(
    async () => {
      const job = await getJob(client, jobId);
      if (job.endedAt === null) throw new Error(`it is ${job.status}`);
      return job;
    },
    { what: `job ${jobId} to end`, timeoutMs, everyMs: 50 },
  );

/** All events that are published after a position, in their order. */
export const eventsAfter = async (client: Client, after: string): Promise<readonly EventRow[]> => {
  const events: EventRow[] = [];
  for (let next = after; ;) {
    const page = EventPage.parse(await client.get(`/api/v1/events?after=${next}&limit=1000`));
    events.push(...page.events);
    if (page.events.length === 0) return events;
    next = page.next;
  }
};

/** Whether an event's data announce the end of a job. */
export const endsJob = (data: unknown): boolean =>
  typeof field(data, 'job') === 'object' && field(data, 'job') !== null;

/** A job's rows in the audit log, once its end is among them. */
export const auditOf = (stack: Stack, jobId: string): Promise<readonly Row[]> =>
  eventually(
    async () => {
      const rows = await stack.audit(
        `select occurred_at, event_type, actor, payload, correlation_id from audit_logs
         where correlation_id = $1 order by position`,
        [jobId],
      );
      const hasEnd = rows.some((row) => endsJob(row['payload']));
      if (!hasEnd) throw new Error(`${rows.length} rows without the end`);
      return rows;
    },
    { what: `the audit log to have the end of ${jobId}` },
  );

/** How the story of a job reads: each event, and for a step the status it led to. */
export const storyOf = (rows: readonly Row[]): readonly string[] =>
  rows.map(({ event_type, payload }) => {
    const to = field(payload, 'to');
    return typeof to === 'string' ? `${String(event_type)} ${to}` : String(event_type);
  });

/** All output of a job as plain text. */
export const outputText = async (client: Client, jobId: string): Promise<string> => {
  const answer = await client.request('GET', `/api/v1/jobs/${jobId}/output`, undefined, {
    accept: 'text/plain',
  });
  return String(answer.body);
};
