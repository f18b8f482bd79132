import { z } from 'zod';
import { reasonCodes } from '../events/assignment.ts';
import { Id, Instant, JobId, Position, Sha256 } from '../ids.ts';
import { JobDocument } from '../job-document.ts';
import { limits } from '../limits.ts';
import { storable, storableBesidesOutput } from '../text.ts';

/** The agent protocol: every path begins with this prefix, which belongs to the device gateway alone. */
export const agentPrefix = '/api/v1/agent';

const attempt = z.coerce.number().int().min(1);

export const AttemptRef = z.strictObject({ jobId: JobId, targetId: Id, attempt }).meta({ id: 'AttemptRef' });
export type AttemptRef = z.output<typeof AttemptRef>;

/** Parameters of `/assignments/:jobId/:targetId/attempts/:attempt/…`. */
export const AttemptParams = AttemptRef;

/** `POST /api/v1/agent/enrol`, without credential. */
export const Enrol = z
  .strictObject({
    token: z.string().min(20).max(256).meta({ description: 'One-time token' }),
    name: z
      .string()
      .trim()
      .min(1)
      .max(128)
      .optional()
      .meta({ description: 'Used when the token carries no name' }),
    credential: z
      .string()
      .regex(/^sba_[A-Za-z0-9_-]{43}$/, 'expected sba_ and 43 characters of base64url: 256 random bits')
      .optional()
      .meta({
        description:
          'Credential that the agent has made and kept before it asks. A repeat with the same token and credential gives the same answer, so that a lost answer loses nothing; without it the server makes one',
      }),
    agentVersion: z.string().min(1).max(64),
    os: z.string().min(1).max(64),
    architecture: z.string().min(1).max(64),
    properties: z
      .record(z.string().min(1).max(64), z.string().max(256))
      .refine((each) => Object.keys(each).length <= 50, 'expected at most 50 properties')
      .default({}),
  })
  .superRefine(storable)
  .meta({ id: 'Enrol' });
export type Enrol = z.output<typeof Enrol>;

export const Enrolled = z
  .object({
    agentId: Id,
    deviceId: Id,
    credential: z
      .string()
      .meta({ description: '256-bit bearer token, shown once: `Authorization: Bearer …`' }),
    leaseMs: z.int().meta({ description: 'Life of a lease in milliseconds; renew every third of it' }),
    position: Position,
  })
  .meta({ id: 'Enrolled' });
export type Enrolled = z.output<typeof Enrolled>;

/** `POST /api/v1/agent/poll`. */
export const Poll = z
  .strictObject({
    waitMs: z.int().min(0).max(limits.pollWaitMs).default(0).meta({
      description: 'Keep the request open for up to this long until there is something to say',
    }),
    claim: z.boolean().default(true).meta({ description: 'Claim what is offered; false only shows it' }),
    accept: z.boolean().default(true).meta({
      description: 'False while the agent is busy or draining: it is told of cancels and of nothing new',
    }),
    holding: z.array(AttemptRef).max(100).default([]).meta({
      description:
        'The attempts that the agent is working on; an open attempt of this agent that is not named here is the answer',
    }),
  })
  .meta({ id: 'Poll' });
export type Poll = z.output<typeof Poll>;

export const OutputStored = z
  .object({ nextSequence: z.int(), bytes: z.int(), hash: Sha256 })
  .meta({ id: 'OutputStored', description: 'Where the attempt’s output stands now' });
export type OutputStored = z.output<typeof OutputStored>;

export const Offer = z
  .object({
    jobId: JobId,
    targetId: Id,
    attempt: z.int(),
    maxAttempts: z.int(),
    claimed: z.boolean().meta({ description: 'True: the attempt is this agent’s, its lease runs' }),
    resumed: z.boolean().meta({
      description:
        'True: this agent had claimed the attempt before, and forgot it or was interrupted; a lease that expired is resumed',
    }),
    output: OutputStored.optional().meta({
      description: 'With `resumed`: what is stored of the attempt’s output; the agent goes on from there',
    }),
    name: z.string(),
    document: JobDocument,
    documentHash: Sha256,
    runTimeoutMs: z.int().meta({ description: 'The agent stops the attempt after this long' }),
    remainingMs: z.int().meta({ description: 'What is left of the run timeout now' }),
    killGraceMs: z.int(),
    leaseMs: z.int(),
    traceparent: z.string().optional(),
  })
  .meta({ id: 'Offer' });
export type Offer = z.output<typeof Offer>;

export const PollAnswer = z
  .object({
    offer: Offer.nullable(),
    cancel: z.array(AttemptRef).meta({ description: 'Held attempts to stop now and report as CANCELED' }),
    drop: z
      .array(AttemptRef)
      .meta({ description: 'Held attempts that the log has ended: stop them, report nothing' }),
    pollAfterMs: z.int().meta({ description: 'Poll again after this long; 0 is at once' }),
  })
  .meta({ id: 'PollAnswer' });
export type PollAnswer = z.output<typeof PollAnswer>;

/** `POST …/claim` answers an {@link Offer}; `POST …/renew` answers this. */
export const Renewed = z
  .object({
    leaseMs: z.int(),
    cancel: z.boolean().meta({ description: 'The job is to be stopped' }),
  })
  .meta({ id: 'Renewed' });
export type Renewed = z.output<typeof Renewed>;

export const OutputChunk = z
  .strictObject({
    sequence: z
      .int()
      .min(1)
      .max(4_294_967_295)
      .meta({ description: '1, 2, 3 … over both streams of the attempt' }),
    stream: z.enum(['stdout', 'stderr']),
    at: Instant.meta({ description: 'By the agent’s clock' }),
    text: z
      .string()
      .max(limits.outputChunkBytes)
      .optional()
      .meta({ description: 'UTF-8 text; either this or `data`' }),
    data: z
      .base64()
      .max(Math.ceil((limits.outputChunkBytes * 4) / 3) + 4)
      .optional()
      .meta({ description: 'Base64 bytes' }),
  })
  .refine((chunk) => (chunk.text === undefined) !== (chunk.data === undefined), {
    message: 'expected exactly one of `text` and `data`',
    path: ['text'],
  })
  .meta({ id: 'OutputChunk' });
export type OutputChunk = z.output<typeof OutputChunk>;

const chunks = z.array(OutputChunk).max(limits.outputChunks);

/** `POST …/output`: durable before it is answered; chunks that are stored already are passed over. */
export const SendOutput = z.strictObject({ chunks: chunks.min(1) }).meta({ id: 'SendOutput' });
export type SendOutput = z.output<typeof SendOutput>;

const sinceStart = z.int().min(0).max(limits.traceMs);

/** What an agent tells of an attempt for its job's trace; milliseconds count from the agent's start of the attempt. */
export const AttemptTrace = z
  .strictObject({
    endMs: sinceStart.meta({ description: 'When the attempt ended' }),
    steps: z
      .array(
        z.strictObject({
          name: z.string().max(128),
          startMs: sinceStart,
          endMs: sinceStart,
          exitCode: z
            .int()
            .min(-1)
            .max(255)
            .nullable()
            .meta({ description: 'Null where the step did not exit' }),
        }),
      )
      .max(limits.steps + 1)
      .meta({ description: 'The steps that were started, the final step included' }),
    output: z
      .strictObject({
        startMs: sinceStart,
        endMs: sinceStart,
        requests: z.int().min(1),
        chunks: z.int().min(0),
      })
      .optional()
      .meta({ description: 'Sending of output before the final status: from the first request to the last' }),
  })
  .meta({ id: 'AttemptTrace' });
export type AttemptTrace = z.output<typeof AttemptTrace>;

/** `POST …/status`: the end of an attempt. */
export const ReportStatus = z
  .strictObject({
    status: z.enum(['SUCCEEDED', 'FAILED', 'TIMED_OUT', 'CANCELED', 'REJECTED']),
    reason: z
      .strictObject({ code: z.enum(reasonCodes), message: z.string().max(1024) })
      .optional()
      .meta({
        description:
          'Default: `completed`, `step-failed`, `run-timeout`, `cancel-requested`, `rejected-by-agent`',
      }),
    exitCode: z.int().nullable().default(null),
    signal: z.string().max(32).nullable().default(null),
    executedSteps: z.int().min(0).default(0),
    failedStep: z.string().max(128).nullable().default(null),
    outputBytes: z
      .int()
      .min(0)
      .optional()
      .meta({ description: 'All bytes sent; checked together with `outputHash`' }),
    outputHash: Sha256.optional().meta({
      description: 'Hash chain over all output; without it the gateway fills it in',
    }),
    output: chunks.default([]).meta({ description: 'The last output, stored before the status is taken' }),
    next: z
      .strictObject({ waitMs: z.int().min(0).max(limits.pollWaitMs).default(0) })
      .optional()
      .meta({ description: 'Ask for the next job in the same request' }),
    trace: AttemptTrace.optional().meta({
      description:
        'For the job’s trace; useful where the last bit of the offer’s `traceparent` is set. The gateway exports it as spans',
    }),
  })
  .superRefine(storableBesidesOutput)
  .meta({ id: 'ReportStatus' });
export type ReportStatus = z.output<typeof ReportStatus>;

export const StatusTaken = z
  .object({
    position: Position,
    repeated: z.boolean().meta({ description: 'The same status had been taken before' }),
    next: PollAnswer.nullable(),
  })
  .meta({ id: 'StatusTaken' });
export type StatusTaken = z.output<typeof StatusTaken>;

export const Whoami = z
  .object({
    agentId: Id,
    kind: z.enum(['device', 'worker', 'executor']),
    deviceId: Id.nullable(),
    leaseMs: z.int(),
  })
  .meta({ id: 'Whoami' });
export type Whoami = z.output<typeof Whoami>;
