import {
  formatPosition,
  positionStart,
  type NewEvent,
  type Position,
  type RecordedEvent,
} from '@signalbox/contracts';
import { checkAppend } from '../appendable.ts';
import { EventIdReused, EventStore, VersionConflict, type AppendResult } from '../event-store.ts';

export interface InMemoryEventStoreOptions {
  /** Default: a random one. */
  readonly storeId?: string;
  /** Milliseconds since 1970, for `recordedAt`; by default those of the system clock. */
  readonly now?: () => number;
}

const isSame = (stored: RecordedEvent, stream: string, event: NewEvent): boolean =>
  stored.stream === stream &&
  stored.type === event.type &&
  stored.version === event.version &&
  stored.body === event.body;

/** Microseconds since 1970 as an instant with six digits. */
const instantOfMicros = (micros: number): string => {
  const text = new Date(Math.floor(micros / 1000)).toISOString();
  return `${text.slice(0, -1)}${String(micros % 1000).padStart(3, '0')}Z`;
};

/** The log in memory, for tests and simulation. Keeps nothing beyond its own life; never yields within a call. */
export class InMemoryEventStore extends EventStore {
  readonly storeId: string;
  readonly #now: () => number;
  readonly #log: RecordedEvent[] = [];
  readonly #byId = new Map<string, RecordedEvent>();
  readonly #byStream = new Map<string, RecordedEvent[]>();
  #recordedUs = 0;
  #published: Position = positionStart;

  constructor(options: InMemoryEventStoreOptions = {}) {
    super();
    this.storeId = options.storeId ?? crypto.randomUUID();
    this.#now = options.now ?? (() => Date.now());
  }

  async append(stream: string, expectedVersion: number, events: readonly NewEvent[]): Promise<AppendResult> {
    checkAppend(stream, expectedVersion, events);
    const stored = events.flatMap(({ id }) => this.#byId.get(id) ?? []);
    if (stored.length > 0) return this.#repeat(stream, events, stored);
    const history = this.#byStream.get(stream) ?? [];
    if (history.length !== expectedVersion)
      throw new VersionConflict(stream, expectedVersion, history.length);
    this.#byStream.set(stream, history);
    const recorded = events.map((event) => this.#record(stream, history, event));
    return { ...this.#endOf(recorded), events: recorded, repeated: false };
  }

  async read(stream: string, from = 1, limit = Infinity): Promise<readonly RecordedEvent[]> {
    return (this.#byStream.get(stream) ?? []).slice(from - 1, from - 1 + limit);
  }

  async readAll(after: Position, limit: number): Promise<readonly RecordedEvent[]> {
    return this.#log.slice(Number(after), Number(after) + limit);
  }

  async head(): Promise<Position> {
    return formatPosition(this.#log.length);
  }

  async positionBefore(instant: string): Promise<Position> {
    const before = new Date(instant).toISOString().slice(0, -1) + (/\.\d{3}(\d*)Z$/.exec(instant)?.[1] ?? '');
    const later = this.#log.findIndex(({ recordedAt }) => recordedAt.slice(0, -1) >= before.padEnd(26, '0'));
    return formatPosition(later === -1 ? this.#log.length : later);
  }

  async published(): Promise<Position> {
    return this.#published;
  }

  async setPublished(position: Position): Promise<void> {
    if (position > this.#published) this.#published = position;
  }

  #record(stream: string, history: RecordedEvent[], event: NewEvent): RecordedEvent {
    this.#recordedUs = Math.max(this.#recordedUs + 1, Math.floor(this.#now() * 1000));
    const recorded: RecordedEvent = {
      ...event,
      stream,
      streamVersion: history.length + 1,
      position: formatPosition(this.#log.length + 1),
      recordedAt: instantOfMicros(this.#recordedUs),
    };
    history.push(recorded);
    this.#log.push(recorded);
    this.#byId.set(recorded.id, recorded);
    return recorded;
  }

  #repeat(stream: string, events: readonly NewEvent[], stored: readonly RecordedEvent[]): AppendResult {
    const other = events.filter(({ id }, index) => {
      const event = events[index];
      const known = this.#byId.get(id);
      return event !== undefined && known !== undefined && !isSame(known, stream, event);
    });
    if (other.length > 0 || stored.length < events.length) {
      throw new EventIdReused(
        stream,
        (other.length > 0 ? other : stored).map(({ id }) => id),
      );
    }
    const inOrder = stored.toSorted((a, b) => a.streamVersion - b.streamVersion);
    return { ...this.#endOf(inOrder), events: inOrder, repeated: true };
  }

  #endOf(events: readonly RecordedEvent[]): Pick<AppendResult, 'version' | 'position'> {
    const last = events.at(-1);
    return { version: last?.streamVersion ?? 0, position: last?.position ?? positionStart };
  }
}
