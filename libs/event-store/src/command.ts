import {
  type Actor,
  type Event,
  type Fact,
  type NewEvent,
  type Position,
  DomainError,
  decodeEvent,
  deriveId,
  eventOf,
  eventTypes,
  limits,
  positionStart,
} from '@signalbox/contracts';
import { EventIdReused, type EventStore, VersionConflict } from './event-store.ts';

/** Three pure things per aggregate: where it begins, how facts change it, what a command makes happen. */
export interface Decider<State, Command> {
  readonly initialState: State;
  evolve(state: State, fact: Fact): State;
  /** Facts that follow, possibly none where the command's effect is there already. @throws DomainError a refusal */
  decide(state: State, command: Command): readonly Fact[];
}

/** Who, why and when: data that makes the ids and instants of the events. */
export interface CommandContext {
  /** Id of the command or of the causing event and manager: event ids derive from it, so that a repeat is harmless. */
  readonly commandId: string;
  readonly actor: Actor;
  readonly correlationId: string;
  readonly causationId: string | null;
  /** When the cause occurred; the events will be later. */
  readonly causedAt?: string | undefined;
  /** Now, ISO-8601 UTC. */
  readonly now: string;
  readonly traceparent?: string | undefined;
}

/** A stream folded into its state. */
export interface Loaded<State> {
  readonly state: State;
  readonly version: number;
  /** Position of the stream's last event. */
  readonly position: Position;
  /** When the stream's last event occurred. */
  readonly lastAt: string | undefined;
}

export interface Outcome<State> extends Loaded<State> {
  /** What was recorded; empty when the effect was there already. */
  readonly events: readonly Event[];
  readonly repeated: boolean;
}

const readPage = 1000;
const attempts = 10;

export const empty = <State>(decider: Pick<Decider<State, never>, 'initialState'>): Loaded<State> => ({
  state: decider.initialState,
  version: 0,
  position: positionStart,
  lastAt: undefined,
});

/** Folds one more decoded event of the same stream. */
export const fold = <State>(
  decider: Pick<Decider<State, never>, 'evolve'>,
  loaded: Loaded<State>,
  event: Event,
): Loaded<State> => ({
  state: decider.evolve(loaded.state, event),
  version: event.streamVersion,
  position: event.position,
  lastAt: event.occurredAt,
});

/** Reads a stream from the store and folds it. */
export const load = async <State>(
  store: EventStore,
  decider: Pick<Decider<State, never>, 'initialState' | 'evolve'>,
  stream: string,
): Promise<Loaded<State>> => {
  let loaded = empty(decider);
  for (;;) {
    const page = await store.read(stream, loaded.version + 1, readPage);
    for (const recorded of page) loaded = fold(decider, loaded, decodeEvent(recorded));
    if (page.length < readPage) return loaded;
  }
};

/** An instant that is `now`, or one millisecond after the latest of the others where a clock is behind. */
export const laterInstant = (now: string, ...others: readonly (string | undefined)[]): string => {
  const latest = Math.max(
    ...others.map((each) => (each === undefined ? Number.NEGATIVE_INFINITY : Date.parse(each))),
  );
  const current = Date.parse(now);
  return new Date(current > latest ? current : Math.floor(latest) + 1).toISOString();
};

/** Makes events of facts: derived ids, instants in order, body as the exact text to store. */
export const makeEvents = (
  stream: string,
  facts: readonly Fact[],
  context: CommandContext,
  lastAt: string | undefined,
): NewEvent[] => {
  let at = laterInstant(context.now, lastAt, context.causedAt);
  return facts.map((fact, index) => {
    if (index > 0) at = laterInstant(context.now, at);
    const body = JSON.stringify(fact.data);
    const sizeBytes =
      body.length > limits.eventBytes / 4 ? new TextEncoder().encode(body).length : body.length;
    if (sizeBytes > limits.eventBytes) {
      throw new DomainError(
        'body-too-large',
        `expected ${fact.type} of at most ${limits.eventBytes} bytes, got ${sizeBytes}; shorten the document`,
      );
    }
    return {
      id: deriveId(context.commandId, stream, index),
      type: fact.type,
      version: eventTypes[fact.type].version,
      occurredAt: at,
      actor: context.actor,
      correlationId: context.correlationId,
      causationId: context.causationId,
      ...(context.traceparent === undefined ? {} : { traceparent: context.traceparent }),
      body,
    };
  });
};

/**
 * Decides on the state that is known (or loaded), appends at that version, and on a conflict loads from the store and
 * decides again, a bounded number of times.
 *
 * @param known state folded from the bus; left out: loaded from the store
 * @throws DomainError the command is refused; VersionConflict when others kept winning
 */
export const handleCommand = async <State, Command>(
  store: EventStore,
  decider: Decider<State, Command>,
  stream: string,
  command: Command,
  context: CommandContext,
  known?: Loaded<State>,
): Promise<Outcome<State>> => {
  let loaded = known ?? (await load(store, decider, stream));
  for (let attempt = 1; ; attempt += 1) {
    let facts: readonly Fact[];
    try {
      facts = decider.decide(loaded.state, command);
    } catch (error) {
      // A refusal on state from the bus may only mean that the bus is behind: decide on the store's.
      if (attempt > 1 || known === undefined || !(error instanceof DomainError)) throw error;
      loaded = await load(store, decider, stream);
      continue;
    }
    if (facts.length === 0) return { ...loaded, events: [], repeated: true };
    try {
      const result = await store.append(
        stream,
        loaded.version,
        makeEvents(stream, facts, context, loaded.lastAt),
      );
      const { repeated, position } = result;
      const events = result.events.map((recorded, index) => {
        const fact = repeated ? undefined : facts[index];
        return fact === undefined ? decodeEvent(recorded) : eventOf(fact, recorded);
      });
      const after = repeated
        ? await load(store, decider, stream)
        : events.reduce((state, event) => fold(decider, state, event), loaded);
      return { ...after, position, events, repeated };
    } catch (error) {
      const again = error instanceof VersionConflict || (error instanceof EventIdReused && attempt === 1);
      if (!again || attempt >= attempts) throw error;
      loaded = await load(store, decider, stream);
    }
  }
};
