import { positionStart, type Position } from '@signalbox/contracts';
import { randomUUID } from 'node:crypto';
import type { LogClient } from './log-client.ts';
import type { Names } from './names.ts';

interface Mark {
  readonly position: Position;
  /** Revision of the stream's last event, -1 without one. */
  readonly revision: number;
}

const most = 1000;

/**
 * The published position: the last event of a stream that the server keeps at one event (`$maxCount`). It is moved at the
 * revision that was read, so that two relays cannot move it back.
 */
export class PublishedMark {
  readonly #client: LogClient;
  readonly #stream: string;
  #known: Mark | undefined;

  constructor(client: LogClient, names: Names) {
    this.#client = client;
    this.#stream = names.published;
  }

  /** Tells the server to keep the last event only; once for ever. */
  async prepare(): Promise<void> {
    const event = { id: randomUUID(), type: '$metadata', body: '{"$maxCount":1}', metadata: '{}' };
    await this.#client.appendEvents(`$$${this.#stream}`, -1, [event]);
  }

  async position(): Promise<Position> {
    return (await this.#read()).position;
  }

  /** A smaller position changes nothing. */
  async moveTo(position: Position): Promise<void> {
    let mark = this.#known ?? (await this.#read());
    for (let attempt = 1; position > mark.position; attempt += 1) {
      const event = {
        id: randomUUID(),
        type: 'Published',
        body: JSON.stringify({ position }),
        metadata: '{}',
      };
      const answer = await this.#client.appendEvents(this.#stream, mark.revision, [event]);
      if (answer.accepted) {
        this.#known = { position, revision: answer.lastRevision };
        return;
      }
      if (attempt >= most) throw new Error(`expected to move the published position, got ${most} conflicts`);
      mark = await this.#read();
    }
  }

  async #read(): Promise<Mark> {
    const [last] = await this.#client.readEvents(this.#stream, { from: 'end', backwards: true, limit: 1 });
    if (last === undefined) return { position: positionStart, revision: -1 };
    const { position }: { position: Position } = JSON.parse(last.body);
    this.#known = { position, revision: last.revision };
    return this.#known;
  }
}
