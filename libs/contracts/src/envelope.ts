import { z } from 'zod';
import { Id, Instant, Position } from './ids.ts';

export const Actor = z
  .object({
    type: z.enum(['principal', 'agent', 'service']),
    id: Id,
  })
  .meta({ id: 'Actor', description: 'Who did it, by opaque id; names live in a table' });
export type Actor = z.output<typeof Actor>;

/** `type:id`, as the column `actor` of the audit log shows it. */
export const actorText = (actor: Actor): string => `${actor.type}:${actor.id}`;

export const Envelope = z.object({
  id: z.uuid().meta({ description: 'Event id; the same fact recorded twice has the same id' }),
  type: z.string(),
  version: z.int().min(1).meta({ description: 'Version of the type’s schema' }),
  occurredAt: Instant.meta({ description: 'Strictly later than its cause and than its stream’s last event' }),
  recordedAt: Instant,
  actor: Actor,
  correlationId: z.string().min(1).meta({ description: 'Job id where there is a job' }),
  causationId: z.string().nullable().meta({ description: 'Id of the command or event that caused this one' }),
  traceparent: z.string().optional().meta({ description: 'W3C trace context' }),
  stream: z.string(),
  streamVersion: z.int().min(1),
  position: Position,
});
export type Envelope = z.output<typeof Envelope>;

/** An event as it is handed to `append`. The store adds stream, version, position and `recordedAt`. */
export interface NewEvent {
  readonly id: string;
  readonly type: string;
  readonly version: number;
  readonly occurredAt: string;
  readonly actor: Actor;
  readonly correlationId: string;
  readonly causationId: string | null;
  readonly traceparent?: string;
  /** The exact JSON text that is stored, hashed and published for ever. */
  readonly body: string;
}

/** An event as the store and the bus carry it: envelope and undecoded body. */
export interface RecordedEvent extends NewEvent {
  readonly stream: string;
  readonly streamVersion: number;
  readonly position: Position;
  readonly recordedAt: string;
}
