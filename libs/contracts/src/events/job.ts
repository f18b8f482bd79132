import { z } from 'zod';
import { Id, Instant, JobId, Sha256 } from '../ids.ts';
import { RecordedDocument } from '../job-document.ts';
import { limits } from '../limits.ts';

const durationMs = (max: number, what: string, standard: number) =>
  z
    .int()
    .min(1000)
    .max(max)
    .meta({ description: `${what} in milliseconds`, default: standard });

/** What a job is aimed at. Other kinds follow; a reader that meets an unknown one must not guess. */
export const Target = z
  .object({ type: z.literal('device'), ids: z.array(Id).length(1) })
  .meta({ id: 'Target', description: 'Target of a job as asked for' });
export type Target = z.output<typeof Target>;

export const JobLimits = z
  .object({
    maxAttempts: z.int().min(1).max(limits.attempts).meta({ description: 'Attempts in all', default: 1 }),
    runTimeoutMs: durationMs(limits.runTimeoutMs, 'Longest run of one attempt', 3_600_000),
    queueTimeoutMs: durationMs(
      limits.queueTimeoutMs,
      'Longest wait for a start, from creation or `notBefore`',
      604_800_000,
    ),
    killGraceMs: z.int().min(0).max(300_000).meta({
      description: 'Milliseconds between TERM and KILL when an attempt is stopped',
      default: 10_000,
    }),
    lostAfterMs: durationMs(
      limits.runTimeoutMs,
      'An attempt whose lease has been expired for this long ends as lost,',
      300_000,
    ),
  })
  .meta({ id: 'JobLimits' });
export type JobLimits = z.output<typeof JobLimits>;

export const defaultLimits: JobLimits = {
  maxAttempts: 1,
  runTimeoutMs: 3_600_000,
  queueTimeoutMs: 604_800_000,
  killGraceMs: 10_000,
  lostAfterMs: 300_000,
};

export const JobCreated = z
  .object({
    jobId: JobId,
    name: z.string().min(1).max(128),
    document: RecordedDocument,
    documentHash: Sha256.meta({ description: 'SHA-256 of the JSON text of `document`' }),
    target: Target,
    targets: z.int().min(0).nullable().meta({ description: 'How many targets the job has; null while open' }),
    notBefore: Instant.nullable(),
    priority: z.int().min(0).max(9).meta({ description: 'Higher goes first on a device; default 4' }),
    limits: JobLimits,
    template: z.object({ id: z.string(), version: z.int() }).nullable(),
    retryOf: JobId.nullable().meta({ description: 'The ended job that this one repeats' }),
    reason: z.string().max(1024).nullable().meta({ description: 'Why, in the words of who asked' }),
    requestHash: Sha256.meta({ description: 'SHA-256 of the validated request before rendering' }),
  })
  .meta({ description: 'A job exists: what is to be run, on which targets, within which limits' });

export const JobCancelRequested = z
  .object({ jobId: JobId, reason: z.string().max(1024).nullable() })
  .meta({ description: 'Somebody wants the job to stop' });

/** Types on stream `job-<jobId>`. */
export const jobEvents = {
  JobCreated: { version: 1, schema: JobCreated },
  JobCancelRequested: { version: 1, schema: JobCancelRequested },
} as const;
