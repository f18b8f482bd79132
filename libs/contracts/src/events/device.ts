import { z } from 'zod';
import { Id, Instant } from '../ids.ts';

export const EnrolmentTokenIssued = z
  .object({
    deviceId: Id,
    tokenId: Id.meta({ description: 'Names the token; the token itself is in no event' }),
    name: z.string().max(128).nullable(),
    expiresAt: Instant,
  })
  .meta({ description: 'A one-time token was issued with which one device may enrol' });

export const DeviceEnrolled = z
  .object({
    deviceId: Id,
    agentId: Id,
    tokenId: Id,
    name: z.string().max(128),
    agentVersion: z.string().max(64),
    os: z.string().max(64),
    architecture: z.string().max(64),
    properties: z.record(z.string().max(64), z.string().max(256)),
  })
  .meta({ description: 'A device exchanged its token for a credential' });

export const DeviceRevoked = z
  .object({ deviceId: Id, agentId: Id, reason: z.string().max(1024).nullable() })
  .meta({ description: 'The device’s credential counts no more' });

/** Types on stream `device-<deviceId>`. */
export const deviceEvents = {
  EnrolmentTokenIssued: { version: 1, schema: EnrolmentTokenIssued },
  DeviceEnrolled: { version: 1, schema: DeviceEnrolled },
  DeviceRevoked: { version: 1, schema: DeviceRevoked },
} as const;
