import { formatPosition, positionStart, type Position, type RecordedEvent } from '@signalbox/contracts';
import { EventStore, type AppendResult } from '@signalbox/event-store';

/** A log that costs nothing, filled beforehand, so that a bench of what reads it measures nothing else. */
export class ArrayStore extends EventStore {
  readonly storeId = 'bench';
  readonly #log: RecordedEvent[] = [];
  #published: Position = positionStart;

  add(event: Omit<RecordedEvent, 'position'>): Position {
    const position = formatPosition(this.#log.length + 1);
    this.#log.push({ ...event, position });
    return position;
  }
  append(): Promise<AppendResult> {
    return Promise.reject(new Error('expected `add`, got `append`'));
  }
  async read(stream: string): Promise<readonly RecordedEvent[]> {
    return this.#log.filter((event) => event.stream === stream);
  }
  async readAll(after: Position, limit: number): Promise<readonly RecordedEvent[]> {
    return this.#log.slice(Number(after), Number(after) + limit);
  }
  async head(): Promise<Position> {
    return formatPosition(this.#log.length);
  }
  async positionBefore(): Promise<Position> {
    return positionStart;
  }
  async published(): Promise<Position> {
    return this.#published;
  }
  async setPublished(position: Position): Promise<void> {
    if (position > this.#published) this.#published = position;
  }
}
