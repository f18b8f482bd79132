import type { NewEvent, Position, RecordedEvent } from '@signalbox/contracts';

/** Expected version of a stream that must not exist yet. */
export const noStream = 0;

export interface AppendResult {
  /** Stream version after the append. */
  readonly version: number;
  /** Position of the append's last event: what a write answers with. */
  readonly position: Position;
  /** The events as recorded: on a repeat those that were stored before. */
  readonly events: readonly RecordedEvent[];
  /** True when the same ids with the same bytes had been stored before; nothing was written. */
  readonly repeated: boolean;
}

/**
 * The log. Port with one adapter per technology; every adapter passes the conformance suite in `./testing`.
 *
 * Guarantees: an append is atomic for its one stream; once `append` resolves the events are on disk; positions are in
 * commit order, so a reader that has seen a position never meets a smaller new one.
 */
export abstract class EventStore {
  /** Names this store's life: positions of another `storeId` mean nothing here. */
  abstract readonly storeId: string;

  /**
   * Appends events to one stream, all or nothing. Ids are checked before the version: an append that had succeeded
   * succeeds again, with `repeated: true`.
   *
   * @param expectedVersion the stream's version before the append; 0 for a new stream
   * @throws VersionConflict the stream has another version; nothing was written
   * @throws EventIdReused an id exists with other bytes, or only some of the ids exist; nothing was written
   */
  abstract append(
    stream: string,
    expectedVersion: number,
    events: readonly NewEvent[],
  ): Promise<AppendResult>;

  /** Events of one stream from version `from` (1 is the first), in order; empty for an unknown stream. */
  abstract read(stream: string, from?: number, limit?: number): Promise<readonly RecordedEvent[]>;

  /** Events of all streams after a position, in order of position. */
  abstract readAll(after: Position, limit: number): Promise<readonly RecordedEvent[]>;

  /** Position of the newest event; `positionStart` while there is none. */
  abstract head(): Promise<Position>;

  /** The last position recorded before an instant; where a wiped bus is refilled from. */
  abstract positionBefore(instant: string): Promise<Position>;

  /** The position up to which the relay has published with acknowledgement. */
  abstract published(): Promise<Position>;

  /** Moves the published position forward; a smaller one changes nothing. */
  abstract setPublished(position: Position): Promise<void>;
}

/** Thrown by `append` when the stream's version is not the expected one. */
export class VersionConflict extends Error {
  readonly stream: string;
  readonly expectedVersion: number;
  readonly actualVersion: number;
  constructor(stream: string, expectedVersion: number, actualVersion: number) {
    super(`expected stream ${stream} at version ${expectedVersion}, got ${actualVersion}`);
    this.name = 'VersionConflict';
    this.stream = stream;
    this.expectedVersion = expectedVersion;
    this.actualVersion = actualVersion;
  }
}

/** Thrown by `append` when an event id exists already with other content, or only part of the append's ids exist. */
export class EventIdReused extends Error {
  readonly stream: string;
  constructor(stream: string, ids: readonly string[]) {
    super(
      `expected new event ids for stream ${stream}, got ids in use with other content: ${ids.join(', ')}`,
    );
    this.name = 'EventIdReused';
    this.stream = stream;
  }
}
