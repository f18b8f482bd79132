import { z } from 'zod';
import { Instant } from '../ids.ts';

export const CheckStatus = z
  .enum(['ok', 'unknown', 'warn', 'fail'])
  .meta({ id: 'CheckStatus', description: 'In order of severity; unknown: it could not be looked at' });
export type CheckStatus = z.output<typeof CheckStatus>;

export const SystemCheck = z
  .object({
    id: z.string().meta({ description: 'Stable name, such as `stream.config`' }),
    title: z.string(),
    status: CheckStatus,
    found: z.string(),
    wanted: z.string(),
    advice: z.string().meta({ description: 'What to do; empty where all is well' }),
    replica: z
      .string()
      .nullable()
      .meta({ description: 'The one replica that it is about; null: all of them' }),
  })
  .meta({ id: 'SystemCheck', description: 'One thing that was looked at, and what to do about it' });
export type SystemCheck = z.output<typeof SystemCheck>;

/** What one replica says of itself and of what its service owns. */
export const ReplicaReport = z
  .object({
    service: z.string(),
    replica: z.string().meta({ description: 'Service and a random part, new with each start' }),
    host: z.string(),
    version: z.string(),
    startedAt: Instant,
    nowMs: z.number().meta({ description: 'Its clock when it answered, in milliseconds since 1970' }),
    checks: z.array(SystemCheck),
  })
  .meta({ id: 'ReplicaReport' });
export type ReplicaReport = z.output<typeof ReplicaReport>;

export const SystemReport = z
  .object({
    status: CheckStatus.meta({ description: 'The most severe of all checks' }),
    at: Instant,
    replicas: z.array(ReplicaReport.omit({ checks: true, nowMs: true })),
    checks: z.array(SystemCheck).meta({ description: 'The most severe first' }),
  })
  .meta({ id: 'SystemReport' });
export type SystemReport = z.output<typeof SystemReport>;
