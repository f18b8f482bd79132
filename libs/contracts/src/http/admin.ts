import { z } from 'zod';
import { Role } from '../events/principal.ts';
import { Id, Instant, Position } from '../ids.ts';
import { limits } from '../limits.ts';
import { storable } from '../text.ts';

export const IssueToken = z
  .strictObject({
    name: z
      .string()
      .trim()
      .min(1)
      .max(128)
      .optional()
      .meta({ description: 'Name that the device will have' }),
    deviceId: Id.optional().meta({ description: 'Id that the device will have; default: a new UUID' }),
  })
  .superRefine(storable)
  .meta({ id: 'IssueToken' });
export type IssueToken = z.output<typeof IssueToken>;

export const TokenIssued = z
  .object({
    token: z.string().meta({ description: 'Shown once; valid for one enrolment within 5 minutes' }),
    tokenId: Id,
    deviceId: Id,
    expiresAt: Instant,
    position: Position,
    enrolmentLine: z.string().nullable().meta({
      description:
        'What to paste on the device: starts the agent with server, token and, where the authority is Signalbox’s own, its fingerprint; null where the public address is not set',
    }),
  })
  .meta({ id: 'TokenIssued' });
export type TokenIssued = z.output<typeof TokenIssued>;

export const AgentView = z
  .object({
    agentId: Id,
    kind: z.enum(['device', 'worker', 'executor']),
    deviceId: Id.nullable(),
    name: z.string(),
    agentVersion: z.string(),
    os: z.string(),
    architecture: z.string(),
    properties: z.record(z.string(), z.string()),
    enrolledAt: Instant,
    lastSeenAt: Instant.nullable(),
    revokedAt: Instant.nullable(),
  })
  .meta({ id: 'AgentView' });
export type AgentView = z.output<typeof AgentView>;

export const ListAgents = z
  .strictObject({
    limit: z.coerce.number().int().min(1).max(limits.pageSize).default(50),
    cursor: z.string().max(256).optional(),
    after: Position.optional(),
  })
  .superRefine(storable);
export type ListAgents = z.output<typeof ListAgents>;

export const RevokeAgent = z
  .strictObject({ reason: z.string().max(1024).optional() })
  .superRefine(storable)
  .meta({ id: 'RevokeAgent' });
export type RevokeAgent = z.output<typeof RevokeAgent>;

export const AgentRevoked = z
  .object({ agentId: Id, position: Position, repeated: z.boolean() })
  .meta({ id: 'AgentRevoked' });
export type AgentRevoked = z.output<typeof AgentRevoked>;

export const IssueKey = z
  .strictObject({
    name: z.string().trim().min(1).max(128),
    roles: z.array(Role).min(1).max(20).meta({ description: 'viewer, operator and admin grant API rights' }),
  })
  .superRefine(storable)
  .meta({ id: 'IssueKey' });
export type IssueKey = z.output<typeof IssueKey>;

export const KeyIssued = z
  .object({
    key: z.string().meta({ description: 'Shown once' }),
    keyId: Id,
    principalId: Id,
    position: Position,
  })
  .meta({ id: 'KeyIssued' });
export type KeyIssued = z.output<typeof KeyIssued>;

export const RotateKey = z
  .strictObject({
    overlapMs: z.int().min(0).max(limits.keyOverlapMs).default(86_400_000).meta({
      description: 'For how long the old key still counts, in milliseconds; at most 7 days, 0 is not at all',
    }),
  })
  .meta({ id: 'RotateKey' });
export type RotateKey = z.output<typeof RotateKey>;

export const KeyRotated = KeyIssued.extend({
  replaces: Id.meta({ description: 'The old key' }),
  replacedCountsUntil: Instant.meta({ description: 'When the old key counts no more' }),
}).meta({ id: 'KeyRotated' });
export type KeyRotated = z.output<typeof KeyRotated>;

export const KeyView = z
  .object({
    keyId: Id,
    principalId: Id,
    name: z.string(),
    roles: z.array(Role),
    createdAt: Instant,
    countsUntil: Instant.nullable().meta({ description: 'End of the overlap, where the key was rotated' }),
    revokedAt: Instant.nullable(),
  })
  .meta({ id: 'KeyView' });
export type KeyView = z.output<typeof KeyView>;

export const ListKeys = z
  .strictObject({
    limit: z.coerce.number().int().min(1).max(limits.pageSize).default(50),
    cursor: z.string().max(256).optional().meta({ description: '`nextCursor` of the page before' }),
  })
  .superRefine(storable);
export type ListKeys = z.output<typeof ListKeys>;

export const KeyRevoked = z
  .object({
    keyId: Id,
    position: Position,
    repeated: z.boolean().meta({ description: 'The key had been revoked before' }),
  })
  .meta({ id: 'KeyRevoked' });
export type KeyRevoked = z.output<typeof KeyRevoked>;

export const Me = z
  .object({ principalId: Id, keyId: Id, name: z.string(), roles: z.array(Role) })
  .meta({ id: 'Me', description: 'The principal whose key was sent' });
export type Me = z.output<typeof Me>;
