import { z } from 'zod';
import { Id, JobId, Sha256 } from '../ids.ts';
import { EndStatus, Status } from '../statuses.ts';

const attempt = z
  .int()
  .min(1)
  .meta({ description: 'Fencing token: words from an older attempt change nothing' });

/** Why a status changed. Codes are stable, messages are for people. */
export const reasonCodes = [
  'claimed',
  'completed',
  'step-failed',
  'start-failed',
  'run-timeout',
  'queue-timeout',
  'cancel-requested',
  'process-state-unknown',
  'agent-lost',
  'agent-revoked',
  'interrupted',
  'rejected-by-agent',
] as const;
export type ReasonCode = (typeof reasonCodes)[number];

export const Reason = z
  .object({ code: z.enum(reasonCodes), message: z.string().max(1024) })
  .meta({ id: 'Reason' });
export type Reason = z.output<typeof Reason>;

export const Result = z
  .object({
    exitCode: z
      .int()
      .nullable()
      .meta({ description: 'Of the step that decided; null when it did not exit by itself' }),
    signal: z.string().max(32).nullable(),
    executedSteps: z.int().min(0),
    failedStep: z.string().max(128).nullable(),
    outputBytes: z.int().min(0),
    outputHash: Sha256.meta({
      description:
        'h0 = 32 zero bytes, hn = SHA-256(hn-1 ‖ sequence u32 BE ‖ stream u8 (1 stdout, 2 stderr) ‖ bytes)',
    }),
  })
  .meta({ id: 'Result', description: 'What an attempt left behind' });
export type Result = z.output<typeof Result>;

export const AssignmentRef = z
  .object({ id: z.string(), targetId: Id, agentId: Id.nullable(), attempt })
  .meta({ id: 'AssignmentRef' });
export type AssignmentRef = z.output<typeof AssignmentRef>;

export const Counts = z
  .object({
    total: z.int(),
    succeeded: z.int(),
    failed: z.int(),
    timedOut: z.int(),
    canceled: z.int(),
    rejected: z.int(),
  })
  .meta({ id: 'Counts', description: 'Targets by how they ended' });
export type Counts = z.output<typeof Counts>;

export const JobEnd = z.object({ status: EndStatus, counts: Counts }).meta({ id: 'JobEnd' });
export type JobEnd = z.output<typeof JobEnd>;

export const AttemptEnd = z
  .object({ status: z.enum(['FAILED', 'TIMED_OUT']), reason: Reason, result: Result.nullable() })
  .meta({ id: 'AttemptEnd', description: 'How the attempt ended that another one follows' });

export const JobAssigned = z
  .object({
    jobId: JobId,
    targetId: Id,
    agentId: Id.nullable(),
    attempt,
    maxAttempts: z.int().min(1),
    runTimeoutMs: z.int(),
    killGraceMs: z.int(),
    lostAfterMs: z.int(),
    targets: z.int().nullable().meta({ description: 'How many targets the job has; null while open' }),
    documentHash: Sha256,
  })
  .meta({ description: 'An attempt may start: the step QUEUED to SCHEDULED' });

export const JobStatusChanged = z
  .object({
    jobId: JobId,
    from: Status,
    to: Status,
    reason: Reason,
    assignment: AssignmentRef.nullable().meta({
      description: 'Null when the event is about the job as a whole',
    }),
    result: Result.nullable().meta({ description: 'At the end of an attempt that ran' }),
    attemptEnd: AttemptEnd.nullable().meta({
      description: 'Set when `to` is QUEUED: another attempt follows',
    }),
    job: JobEnd.nullable().meta({ description: 'Set on the one event that ends the job as a whole' }),
  })
  .meta({ description: 'An assignment, or a job as a whole, took a step' });

const leaseFacts = { jobId: JobId, targetId: Id, agentId: Id, attempt };

export const LeaseExpired = z
  .object(leaseFacts)
  .meta({ description: 'The agent was not heard of in time; ends no attempt by itself' });
export const LeaseResumed = z
  .object(leaseFacts)
  .meta({ description: 'The agent is back while its attempt is open' });

/** Types on stream `assignment-<jobId>-<targetId>`. */
export const assignmentEvents = {
  JobAssigned: { version: 1, schema: JobAssigned },
  JobStatusChanged: { version: 1, schema: JobStatusChanged },
  LeaseExpired: { version: 1, schema: LeaseExpired },
  LeaseResumed: { version: 1, schema: LeaseResumed },
} as const;
