import type { NatsConnection } from '@nats-io/transport-node';
import type { Position, RecordedEvent } from '@signalbox/contracts';
import type { Consumer, EventStore, ParkedEvent, ReaderState, Running } from '@signalbox/event-store';
import type { RunnerCounts } from './batch-runner.ts';
import type { IntakeCounts } from './intake.ts';

/** The part of a logger that a reader needs. Messages are constant; what varies is in the fields. */
export interface ReaderLog {
  info(message: string, fields?: ReaderLogFields): void;
  warn(message: string, fields?: ReaderLogFields): void;
  error(message: string, fields?: ReaderLogFields): void;
}

export interface ReaderLogFields {
  readonly reader?: string;
  readonly position?: Position;
  readonly eventId?: string;
  readonly eventType?: string;
  readonly stream?: string;
  readonly detail?: string;
  readonly error?: unknown;
}

export interface ReaderSetup<Tx> {
  /** Name of the reader, in logs and in the name of its consumer. */
  readonly name: string;
  readonly nc: NatsConnection;
  readonly store: EventStore;
  readonly state: ReaderState<Tx>;
  /** The visible list of what is consumed; other types only move the position. */
  readonly consumers: readonly Consumer<Tx>[];
  /** Most events per commit; default 200. */
  readonly batchSize?: number;
  /** How often a handler may throw on one event before the event is parked; default 5. */
  readonly maxAttempts?: number;
  /** First and longest wait after a failure in milliseconds; default 100 and 10 000. */
  readonly backOffMs?: { readonly first: number; readonly most: number };
  /** How often an idle reader compares itself with the stream, in milliseconds; default 1000. */
  readonly idleCheckMs?: number;
  /** Further errors that speak of the surroundings and not of the event: repeated for ever, never parked. */
  readonly isTransient?: (error: unknown) => boolean;
  readonly log?: ReaderLog;
  readonly on?: {
    /** Called when the reader has stopped by itself: overtaken, or ahead of a restored store. Leadership must decide. */
    readonly stopped?: (error: Error) => void;
    readonly error?: (error: unknown) => void;
    readonly parked?: (event: RecordedEvent, reason: string) => void;
    readonly moved?: (position: Position) => void;
    /**
     * Called after each commit with those of its events that somebody consumes, and how long the work on them took in
     * milliseconds. Never throws.
     */
    readonly handled?: (events: readonly RecordedEvent[], durationMs: number) => void;
  };
  /** Current instant in milliseconds since 1970; default the system's clock. */
  readonly now?: () => number;
}

/**
 * ```
 * waiting ──connection and stream──▶ catching-up ──published head reached──▶ following
 *    ▲                                    │                                     │
 *    └────────── connection or delivery lost, another stream ◀──────────────────┘
 * any ──stop, ReaderOvertaken, StoreRestored──▶ stopped
 * ```
 */
export type ReaderActivity = 'waiting' | 'catching-up' | 'following' | 'stopped';

export interface ReaderStatus extends RunnerCounts, IntakeCounts {
  readonly activity: ReaderActivity;
  readonly position: Position;
  readonly lagMs: number;
  readonly parkedStreams: number;
  /** How often events were read from the store: at starts and at gaps. */
  readonly gaps: number;
  /** Deliveries begun: one at the start, then one after each loss. */
  readonly deliveries: number;
}

export interface Reader extends Running {
  /** Position up to which everything is processed. */
  position(): Position;
  /** Age in milliseconds of the oldest event not yet processed, as far as known; 0 when there is none. */
  lagMs(): number;
  status(): ReaderStatus;
  /** Resolves when the published head of the start is reached; rejects if the reader stops before. */
  readonly caughtUp: Promise<void>;
  /** Resolves when the reader has ended: with the error that stopped it, or undefined after `stop`. */
  readonly ended: Promise<Error | undefined>;
  /** True once `position` is processed; false after `timeoutMs` or when the reader stops. */
  waitFor(position: Position, timeoutMs: number): Promise<boolean>;
  /** Parked events in order of position. */
  parked(limit: number): Promise<readonly ParkedEvent[]>;
  /**
   * Hands the parked events of a stream to the handlers again. When all are handled, the stream is parked no longer.
   * Between two batches, so that nothing overtakes.
   */
  redrive(stream: string): Promise<{ readonly handled: number; readonly left: number }>;
}
