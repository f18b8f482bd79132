import { z } from 'zod';
import { Id } from '../ids.ts';

/** Roles that grant rights on the REST API: viewer reads, operator also creates and cancels, admin also enrols and gives keys. */
export const apiRoles = ['viewer', 'operator', 'admin'] as const;
export type ApiRole = (typeof apiRoles)[number];
export const Role = z.string().regex(/^[a-z][a-z0-9_-]{0,63}$/, 'expected a role name such as "operator"');

export const ApiKeyIssued = z
  .object({ principalId: Id, keyId: Id, name: z.string().max(128), roles: z.array(Role) })
  .meta({ description: 'A program or person was given an API key; the key itself is in no event' });

export const ApiKeyRevoked = z
  .object({ principalId: Id, keyId: Id })
  .meta({ description: 'The API key counts no more' });

export const CommandDenied = z
  .object({
    principalId: Id,
    command: z.string().max(128).meta({ description: 'What was asked for, such as `job.create`' }),
    subject: z.string().max(256).nullable().meta({ description: 'What it was asked about' }),
    reason: z.string().max(1024),
  })
  .meta({ description: 'An authenticated principal asked for something it may not do' });

/** Types on stream `principal-<principalId>`. */
export const principalEvents = {
  ApiKeyIssued: { version: 1, schema: ApiKeyIssued },
  ApiKeyRevoked: { version: 1, schema: ApiKeyRevoked },
  CommandDenied: { version: 1, schema: CommandDenied },
} as const;
