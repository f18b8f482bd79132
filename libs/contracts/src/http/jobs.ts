import { z } from 'zod';
import { AttemptEnd, Counts, Reason, Result } from '../events/assignment.ts';
import { JobLimits, Target } from '../events/job.ts';
import { Id, Instant, JobId, Position } from '../ids.ts';
import { JobDocument } from '../job-document.ts';
import { limits } from '../limits.ts';
import { Status } from '../statuses.ts';
import { storable } from '../text.ts';

/** Targets that can be asked for; all but `device` are refused by name until they exist. */
export const RequestedTarget = z.strictObject({
  type: z.enum(['device', 'group', 'all', 'worker']),
  ids: z.array(Id).min(1).max(1000).optional().meta({ description: 'Ids of devices' }),
});

export const CreateJob = z
  .strictObject({
    name: z.string().trim().min(1).max(128),
    document: JobDocument.optional().meta({ description: 'What is to be run; either this or `template`' }),
    template: z
      .strictObject({ id: z.string().min(1).max(64) })
      .optional()
      .meta({ description: 'A built-in template instead of a document' }),
    target: RequestedTarget,
    notBefore: Instant.optional(),
    priority: z.int().min(0).max(9).default(4),
    limits: z.strictObject(JobLimits.partial().shape).default({}),
    retryOf: JobId.optional(),
    reason: z.string().max(1024).optional(),
  })
  .refine((request) => (request.document === undefined) !== (request.template === undefined), {
    message: 'expected exactly one of `document` and `template`; remove one or add one',
    path: ['document'],
  })
  .superRefine(storable)
  .meta({ id: 'CreateJob' });
export type CreateJob = z.output<typeof CreateJob>;

export const JobAccepted = z.object({ jobId: JobId, position: Position, repeated: z.boolean() }).meta({
  id: 'JobAccepted',
  description: '`repeated` is true when the Idempotency-Key had been used for the same request',
});
export type JobAccepted = z.output<typeof JobAccepted>;

export const CancelJob = z
  .strictObject({ reason: z.string().max(1024).optional() })
  .superRefine(storable)
  .meta({ id: 'CancelJob' });
export type CancelJob = z.output<typeof CancelJob>;

export const CancelAnswer = z
  .object({
    jobId: JobId,
    position: Position,
    outcome: z.enum(['canceled', 'cancel-requested', 'already-ended']).meta({
      description:
        '`canceled`: it will not start any more; `cancel-requested`: it runs, its agent is told; `already-ended`: nothing to do',
    }),
    status: Status,
  })
  .meta({ id: 'CancelAnswer' });
export type CancelAnswer = z.output<typeof CancelAnswer>;

export const JobView = z
  .object({
    jobId: JobId,
    name: z.string(),
    status: Status,
    target: Target,
    priority: z.int(),
    notBefore: Instant.nullable(),
    limits: JobLimits,
    templateId: z.string().nullable(),
    documentHash: z.string(),
    createdAt: Instant,
    createdBy: z.string(),
    startedAt: Instant.nullable(),
    endedAt: Instant.nullable(),
    cancelRequestedAt: Instant.nullable(),
    retryOf: JobId.nullable(),
    reason: z.string().nullable(),
    counts: Counts.nullable(),
    position: Position.meta({ description: 'Of the newest event that this row shows' }),
  })
  .meta({ id: 'JobView' });
export type JobView = z.output<typeof JobView>;

export const JobDetail = JobView.extend({ document: JobDocument }).meta({ id: 'JobDetail' });
export type JobDetail = z.output<typeof JobDetail>;

export const AssignmentView = z
  .object({
    assignmentId: z.string(),
    jobId: JobId,
    targetId: Id,
    agentId: Id.nullable(),
    status: Status,
    attempt: z.int(),
    maxAttempts: z.int(),
    assignedAt: Instant.nullable(),
    startedAt: Instant.nullable(),
    endedAt: Instant.nullable(),
    leaseExpired: z.boolean(),
    reason: Reason.nullable(),
    result: Result.nullable(),
    previousAttempts: z.array(AttemptEnd.extend({ attempt: z.int(), endedAt: Instant })),
    position: Position,
  })
  .meta({ id: 'AssignmentView' });
export type AssignmentView = z.output<typeof AssignmentView>;

const page = {
  limit: z.coerce.number().int().min(1).max(limits.pageSize).default(50),
  cursor: z.string().max(256).optional().meta({ description: '`nextCursor` of the page before' }),
  after: Position.optional().meta({ description: 'Wait up to 2 s until the view shows this position' }),
};

export const ListJobs = z
  .strictObject({
    ...page,
    status: Status.optional(),
    name: z.string().max(128).optional().meta({ description: 'Part of the name, any case' }),
    targetId: Id.optional(),
    createdBy: z.string().max(128).optional().meta({ description: 'As shown in `createdBy`' }),
    createdAfter: Instant.optional(),
    createdBefore: Instant.optional(),
  })
  .superRefine(storable);
export type ListJobs = z.output<typeof ListJobs>;

export const ListAudit = z
  .strictObject({
    ...page,
    correlationId: z.string().max(128).optional(),
    type: z.string().max(64).optional().meta({ description: 'Event type' }),
    actor: z.string().max(128).optional().meta({ description: '`type:id`' }),
    targetId: Id.optional(),
    from: Instant.optional().meta({ description: 'Occurred at or after' }),
    to: Instant.optional().meta({ description: 'Occurred before' }),
  })
  .superRefine(storable);
export type ListAudit = z.output<typeof ListAudit>;

export const AuditRow = z
  .object({
    position: Position,
    id: z.string(),
    type: z.string(),
    version: z.int(),
    occurredAt: Instant,
    recordedAt: Instant,
    actor: z.string(),
    correlationId: z.string(),
    causationId: z.string().nullable(),
    stream: z.string(),
    streamVersion: z.int(),
    payload: z.unknown(),
  })
  .meta({ id: 'AuditRow' });
export type AuditRow = z.output<typeof AuditRow>;

export const pageOf = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), nextCursor: z.string().nullable() });
export interface Page<T> {
  readonly items: readonly T[];
  readonly nextCursor: string | null;
}

/** One event over REST: CloudEvents 1.0 in structured form, with the attributes that the headers carry on NATS. */
export const EventRow = AuditRow.omit({ payload: true, actor: true })
  .extend({
    actor: z.object({ type: z.string(), id: z.string() }),
    traceparent: z.string().optional(),
    data: z.unknown(),
  })
  .meta({ id: 'EventRow' });
export type EventRow = z.output<typeof EventRow>;

export const ListEvents = z.strictObject({
  after: Position.default('0'.repeat(16)).meta({ description: 'Position after which to read' }),
  limit: z.coerce.number().int().min(1).max(1000).default(200),
});
export type ListEvents = z.output<typeof ListEvents>;

export const EventPage = z
  .object({
    storeId: z.string().meta({ description: 'Positions are valid within one store only' }),
    events: z.array(EventRow),
    next: Position.meta({ description: 'Give this as `after` to go on' }),
    head: Position.meta({
      description: 'Newest published position; equal to `next` when you have caught up',
    }),
  })
  .meta({ id: 'EventPage' });
export type EventPage = z.output<typeof EventPage>;

export const ReadOutput = z.strictObject({
  attempt: z.coerce
    .number()
    .int()
    .min(1)
    .optional()
    .meta({ description: 'Default: the newest attempt with output' }),
  fromSequence: z.coerce.number().int().min(1).default(1),
  limit: z.coerce.number().int().min(1).max(1000).default(500),
});
export type ReadOutput = z.output<typeof ReadOutput>;

export const OutputRow = z.object({
  sequence: z.int(),
  stream: z.enum(['stdout', 'stderr']),
  at: Instant.meta({ description: 'By the agent’s clock' }),
  offset: z.int().meta({ description: 'Bytes of this attempt before this chunk, both streams together' }),
  text: z
    .string()
    .meta({ description: 'UTF-8; bytes that are no UTF-8 are replaced, `data` has them exactly' }),
  data: z.string().meta({ description: 'Base64' }),
});
export type OutputRow = z.output<typeof OutputRow>;

export const OutputPage = z
  .object({
    jobId: JobId,
    targetId: Id,
    attempt: z.int(),
    chunks: z.array(OutputRow),
    nextSequence: z.int().meta({ description: 'Give this as `fromSequence` to go on' }),
  })
  .meta({ id: 'OutputPage' });
export type OutputPage = z.output<typeof OutputPage>;
