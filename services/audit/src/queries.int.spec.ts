import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  AssignmentView,
  AuditRow,
  type Event,
  JobDetail,
  JobView,
  ListAudit,
  ListJobs,
  decodeEvent,
  pageOf,
  positionStart,
  streams,
} from '@signalbox/contracts';
import { assignmentViewsFromEvents, jobViewFromEvents } from '@signalbox/domain';
import { InMemoryEventStore } from '@signalbox/event-store/testing';
import { transaction } from '@signalbox/postgres';
import { auditRows, insertAuditRows } from './tables/audit-rows.ts';
import { Partitions } from './tables/partitions.ts';
import { type AuditDatabase, openAuditDatabase, projectAll } from './testing/database.ts';
import {
  type Course,
  type JobPlan,
  appendInterleaved,
  deviceOfNumber,
  jobHistory,
  jobIdOfNumber,
} from './testing/history.ts';
import { findJob, listAssignments, listAudit, listJobs } from './tables/queries.ts';

const courses: readonly Course[] = [
  'QUEUED',
  'SCHEDULED',
  'IN_PROGRESS',
  'EXPIRED',
  'RETRIED',
  'SUCCEEDED',
  'FAILED',
  'REJECTED',
];
const startsAtMs = Date.parse('2026-01-31T23:59:00Z');
const oddName = 'Äpfel 100% \u0000 "und" Bürsten_';

const plans: readonly JobPlan[] = Array.from({ length: 40 }, (_, number) => ({
  number,
  course: courses[number % courses.length] ?? 'QUEUED',
  // Two jobs share each instant, so that a page may end between them.
  startsAtMs: startsAtMs + Math.floor(number / 2) * 10_000,
  ...(number === 7 ? { name: oddName } : {}),
}));

let database: AuditDatabase;
let events: readonly Event[];
const store = new InMemoryEventStore();

beforeAll(async () => {
  database = await openAuditDatabase();
  await appendInterleaved(store, plans.map(jobHistory));
  events = (await store.readAll(positionStart, 1_000)).map(decodeEvent);
  await projectAll(database.pool, store, 7);
});

afterAll(() => database.close());

/** All pages of a list, by following its cursors. */
const allPages = async <T>(
  list: (cursor: string | undefined) => Promise<{ items: readonly T[]; nextCursor: string | null }>,
): Promise<T[]> => {
  const items: T[] = [];
  for (let cursor: string | undefined; ;) {
    const page = await list(cursor);
    items.push(...page.items);
    if (page.nextCursor === null) return items;
    cursor = page.nextCursor;
  }
};

const jobsBy = (query: Record<string, unknown>) =>
  allPages((cursor) => listJobs(database.source, ListJobs.parse({ limit: 3, ...query, cursor })));
const auditBy = (query: Record<string, unknown>) =>
  allPages((cursor) => listAudit(database.source, ListAudit.parse({ limit: 7, ...query, cursor })));

describe('jobs', () => {
  it('are the rows that a fold of their streams gives, whatever the batches were', async () => {
    for (const { number } of plans) {
      const jobId = jobIdOfNumber(number);
      const own = events.filter((event) => event.correlationId === jobId);
      const job = await findJob(database.source, jobId);
      expect(job).toEqual(jobViewFromEvents(own));
      expect(JobDetail.parse(job)).toEqual(job);
      const { items } = await listAssignments(database.source, jobId);
      expect(items).toEqual(assignmentViewsFromEvents(own));
      for (const item of items) expect(AssignmentView.parse(item)).toEqual(item);
    }
  });

  it('are listed newest first, each once, over all pages', async () => {
    const jobs = await jobsBy({});
    expect(jobs.length).toBe(plans.length);
    expect(new Set(jobs.map((job) => job.jobId)).size).toBe(plans.length);
    expect(jobs.map((job) => job.createdAt)).toEqual(
      jobs
        .map((job) => job.createdAt)
        .toSorted()
        .toReversed(),
    );
    expect(pageOf(JobView).parse({ items: jobs, nextCursor: null }).items).toEqual(jobs);
  });

  it('are found by status, creator, target, name in any case, and time', async () => {
    const numbers = async (query: Record<string, unknown>) =>
      (await jobsBy(query))
        .map((job) => plans.findIndex(({ number }) => jobIdOfNumber(number) === job.jobId))
        .toSorted((left, right) => left - right);
    const where = (condition: (plan: JobPlan) => boolean) =>
      plans.filter(condition).map(({ number }) => number);
    expect(await numbers({ status: 'FAILED' })).toEqual(where(({ course }) => course === 'FAILED'));
    expect(await numbers({ status: 'SUCCEEDED' })).toEqual(
      where(({ course }) => course === 'SUCCEEDED' || course === 'RETRIED'),
    );
    expect(await numbers({ targetId: 'device-3' })).toEqual(
      where(({ number }) => deviceOfNumber(number) === 'device-3'),
    );
    expect(await numbers({ name: 'ÄPFEL 100%' })).toEqual([7]);
    expect(await numbers({ name: '%' })).toEqual([7]);
    expect(await numbers({ name: 'JOB 1' })).toEqual(
      where(({ number }) => `job ${number}`.includes('job 1')),
    );
    expect(await numbers({ createdBy: 'principal:ada' })).toEqual(where(() => true));
    expect(await numbers({ createdBy: 'principal:eve' })).toEqual([]);
    const at = (number: number) => new Date(plans[number]?.startsAtMs ?? 0).toISOString();
    expect(await numbers({ createdAfter: at(4), createdBefore: at(8) })).toEqual([4, 5, 6, 7]);
  });

  it('are not there when nobody made them', async () => {
    expect(await findJob(database.source, jobIdOfNumber(999))).toBeUndefined();
    expect(await listAssignments(database.source, jobIdOfNumber(999))).toEqual({ items: [] });
  });

  it('refuse a cursor of another list', async () => {
    const { nextCursor } = await listAudit(database.source, ListAudit.parse({ limit: 1 }));
    await expect(listJobs(database.source, ListJobs.parse({ cursor: nextCursor }))).rejects.toMatchObject({
      code: 'invalid-request',
    });
  });
});

describe('the audit log', () => {
  it('has every event exactly once, newest first, with all it was recorded with', async () => {
    const rows = await auditBy({});
    expect(rows.map((row) => row.position)).toEqual(events.map((event) => event.position).toReversed());
    const recorded = new Map(events.map((event) => [event.position, event]));
    for (const row of rows) {
      const event = recorded.get(row.position);
      expect(AuditRow.parse(row)).toMatchObject({
        id: event?.id,
        type: event?.type,
        occurredAt: event?.occurredAt,
        stream: event?.stream,
        streamVersion: event?.streamVersion,
        correlationId: event?.correlationId,
      });
      expect(Date.parse(row.recordedAt)).toBe(Date.parse(event?.recordedAt ?? ''));
    }
  });

  it('is found by correlation, type, actor, target and time, across months', async () => {
    const where = (condition: (event: Event) => boolean) =>
      events
        .filter(condition)
        .map((event) => event.position)
        .toReversed();
    const positions = async (query: Record<string, unknown>) =>
      (await auditBy(query)).map((row) => row.position);
    const jobId = jobIdOfNumber(4);
    expect(await positions({ correlationId: jobId })).toEqual(
      where((event) => event.correlationId === jobId),
    );
    expect(await positions({ type: 'JobAssigned' })).toEqual(where((event) => event.type === 'JobAssigned'));
    expect(await positions({ actor: 'principal:ada' })).toEqual(where((event) => event.actor.id === 'ada'));
    expect(await positions({ targetId: 'device-3' })).toEqual(
      where((event) => event.stream.startsWith('assignment-') && event.stream.endsWith('device-3')),
    );
    const from = '2026-02-01T00:00:00.000Z';
    expect(await positions({ from })).toEqual(where((event) => event.occurredAt >= from));
    expect(await positions({ to: from })).toEqual(where((event) => event.occurredAt < from));
    expect(where((event) => event.occurredAt < from).length).toBeGreaterThan(0);
  });

  it('shows what Postgres cannot hold as U+FFFD, and nothing is lost', async () => {
    const rows = await auditBy({ correlationId: jobIdOfNumber(7), type: 'JobCreated' });
    expect(rows).toMatchObject([{ payload: { name: oddName.replace('\u0000', '\ufffd') } }]);
    expect((await findJob(database.source, jobIdOfNumber(7)))?.name).toBe(oddName);
  });

  it('is the same after the same events came again', async () => {
    const count = async () => (await database.pool.query('select count(*) from audit.audit_logs')).rows[0];
    const before = await count();
    await transaction(database.pool, (tx) => insertAuditRows(tx, auditRows(events), new Partitions()));
    expect(await count()).toEqual(before);
  });

  it('refuses another event at a place of a stream that is taken', async () => {
    const event = events.find((each) => each.stream === streams.job(jobIdOfNumber(0)));
    if (event === undefined) throw new Error('expected an event');
    const other = { ...event, position: '9'.repeat(16) };
    await expect(
      transaction(database.pool, (tx) => insertAuditRows(tx, auditRows([other]), new Partitions())),
    ).rejects.toMatchObject({ code: '23505' });
  });
});
