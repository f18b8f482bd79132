import { streams, type Actor, type DataOf, type Position } from '@signalbox/contracts';
import { principal, type PrincipalCommand, type PrincipalState } from '@signalbox/domain';
import { type EventStore, handleCommand, type Loaded, type Outcome } from '@signalbox/event-store';
import { type Clock } from '@signalbox/service-kit';

/** Who asks for an entry, under which command id, in which trace. */
export interface EntryContext {
  readonly commandId: string;
  readonly actor: Actor;
  readonly traceparent?: string;
}

/** Most principals whose folded stream is kept in memory. */
const keep = 1000;

/** What is recorded about principals: their keys, and what they were refused. */
export class PrincipalLog {
  readonly #store: EventStore;
  readonly #clock: Clock;
  readonly #known = new Map<string, Loaded<PrincipalState>>();

  constructor(store: EventStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  issueKey(data: DataOf<'ApiKeyIssued'>, context: EntryContext): Promise<Position> {
    return this.#record(data.principalId, { type: 'IssueKey', ...data }, context);
  }

  revokeKey(data: DataOf<'ApiKeyRevoked'>, context: EntryContext): Promise<Position> {
    return this.#record(data.principalId, { type: 'RevokeKey', ...data }, context);
  }

  denyCommand(data: DataOf<'CommandDenied'>, context: EntryContext): Promise<Position> {
    return this.#record(data.principalId, { type: 'DenyCommand', ...data }, context);
  }

  /** Appends, or finds it recorded. Answers the position that shows it. */
  async #record(principalId: string, command: PrincipalCommand, context: EntryContext): Promise<Position> {
    const outcome: Outcome<PrincipalState> = await handleCommand(
      this.#store,
      principal,
      streams.principal(principalId),
      command,
      { ...context, correlationId: principalId, causationId: context.commandId, now: this.#clock.now() },
      this.#known.get(principalId),
    );
    const { state, version, position, lastAt } = outcome;
    this.#known.delete(principalId);
    this.#known.set(principalId, { state, version, position, lastAt });
    const oldest = this.#known.keys().next().value;
    if (this.#known.size > keep && oldest !== undefined) this.#known.delete(oldest);
    return position;
  }
}
