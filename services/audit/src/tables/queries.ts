import {
  type AssignmentView,
  type AuditRow,
  type JobDetail,
  type JobView,
  type ListAudit,
  type ListJobs,
  type Page,
  idPattern,
  instantPattern,
  positionPattern,
} from '@signalbox/contracts';
import type { DataSource, SelectQueryBuilder } from 'typeorm';
import { decodeCursor, encodeCursor } from './cursor.ts';
import { AssignmentRows, type AuditLog, AuditLogs, type JobRow, JobRows } from './entities.ts';

/** One row more than the page holds says whether another page follows. */
const pageOf = <T>(rows: readonly T[], limit: number, cursorOf: (last: T) => readonly string[]): Page<T> => {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return {
    items,
    nextCursor: rows.length > limit && last !== undefined ? encodeCursor(cursorOf(last)) : null,
  };
};

type Filter = readonly [condition: string, parameters: Readonly<Record<string, unknown>>];

/** A condition that holds only where its value was asked for. */
const when = <V>(value: V | undefined, filter: (value: V) => Filter): readonly Filter[] =>
  value === undefined ? [] : [filter(value)];

const where = <Row extends object>(
  query: SelectQueryBuilder<Row>,
  filters: readonly (readonly Filter[])[],
): SelectQueryBuilder<Row> => {
  for (const [condition, parameters] of filters.flat()) query.andWhere(condition, parameters);
  return query;
};

const jobFilters = (request: ListJobs): readonly (readonly Filter[])[] => [
  when(request.status, (status) => ['job.status = :status', { status }]),
  when(request.name, (name) => ['strpos(job.nameLower, :name) > 0', { name: name.toLowerCase() }]),
  when(request.createdBy, (createdBy) => ['job.createdBy = :createdBy', { createdBy }]),
  when(request.createdAfter, (after) => ['job.createdAt >= :createdAfter', { createdAfter: after }]),
  when(request.createdBefore, (before) => ['job.createdAt < :createdBefore', { createdBefore: before }]),
  when(request.targetId, (targetId) => [
    `(job.targetIds @> array[:targetId]::text[] or job.jobId in
      (select a.job_id from audit.assignment_rows a where a.target_id = :targetId))`,
    { targetId },
  ]),
  when(request.cursor, (cursor) => {
    const [createdAt, jobId] = decodeCursor(cursor, [instantPattern, idPattern]);
    return [
      '(job.createdAt, job.jobId) < (:cursorAt::timestamptz, :cursorId)',
      { cursorAt: createdAt, cursorId: jobId },
    ];
  }),
];

/** Jobs, newest first. */
export const listJobs = async (source: DataSource, request: ListJobs): Promise<Page<JobView>> => {
  const query = source.getRepository<JobRow>(JobRows).createQueryBuilder('job');
  const rows = await where(query, jobFilters(request))
    .orderBy('job.createdAt', 'DESC')
    .addOrderBy('job.jobId', 'DESC')
    .limit(request.limit + 1)
    .getMany();
  return pageOf(
    rows.map((row) => row.view),
    request.limit,
    (last) => [last.createdAt, last.jobId],
  );
};

/** One job with its document; undefined when there is no row. */
export const findJob = async (source: DataSource, jobId: string): Promise<JobDetail | undefined> => {
  const row = await source
    .getRepository<JobRow>(JobRows)
    .createQueryBuilder('job')
    .addSelect('job.document')
    .where('job.jobId = :jobId', { jobId })
    .getOne();
  return row === null ? undefined : { ...row.view, document: row.document };
};

/** Assignments of one job, by target. */
export const listAssignments = async (
  source: DataSource,
  jobId: string,
): Promise<{ items: AssignmentView[] }> => {
  const rows = await source
    .getRepository(AssignmentRows)
    .createQueryBuilder('assignment')
    .where('assignment.jobId = :jobId', { jobId })
    .orderBy('assignment.targetId')
    .getMany();
  return { items: rows.map((row) => row.view) };
};

const auditFilters = (request: ListAudit): readonly (readonly Filter[])[] => [
  when(request.correlationId, (id) => ['log.correlationId = :correlationId', { correlationId: id }]),
  when(request.type, (type) => ['log.eventType = :type', { type }]),
  when(request.actor, (actor) => ['log.actor = :actor', { actor }]),
  when(request.targetId, (targetId) => ['log.targetId = :targetId', { targetId }]),
  when(request.from, (from) => ['log.occurredAt >= :from', { from }]),
  when(request.to, (to) => ['log.occurredAt < :to', { to }]),
  when(request.cursor, (cursor) => {
    const [position] = decodeCursor(cursor, [positionPattern]);
    return ['log.position < :position', { position }];
  }),
];

/** Instants with all digits that the log keeps; a `Date` holds milliseconds only. */
const exactly = (column: string): string =>
  `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

const auditRowOf = (log: AuditLog, recordedAt: string): AuditRow => ({
  position: log.position,
  id: log.id,
  type: log.eventType,
  version: log.version,
  occurredAt: log.occurredAt.toISOString(),
  recordedAt,
  actor: log.actor,
  correlationId: log.correlationId,
  causationId: log.causationId,
  stream: log.stream,
  streamVersion: log.streamVersion,
  payload: log.payload,
});

/** Rows of the audit log, newest first. */
export const listAudit = async (source: DataSource, request: ListAudit): Promise<Page<AuditRow>> => {
  const query = source.getRepository(AuditLogs).createQueryBuilder('log');
  const { entities, raw } = await where(query, auditFilters(request))
    .addSelect(exactly('log.recordedAt'), 'recorded')
    .orderBy('log.position', 'DESC')
    .limit(request.limit + 1)
    .getRawAndEntities<{ recorded: string }>();
  const rows = entities.map((log, index) => auditRowOf(log, raw[index]?.recorded ?? ''));
  return pageOf(rows, request.limit, (last) => [last.position]);
};
