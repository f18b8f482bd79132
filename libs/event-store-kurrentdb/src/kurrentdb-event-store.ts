import {
  formatPosition,
  positionStart,
  type NewEvent,
  type Position,
  type RecordedEvent,
} from '@signalbox/contracts';
import { EventStore, checkAppend, type AppendResult } from '@signalbox/event-store';
import { randomUUID } from 'node:crypto';
import { appendTo } from './append.ts';
import { parseAddress } from './connection-string.ts';
import { commitOf, decodeEvent, microsOf } from './events.ts';
import { LogClient } from './log-client.ts';
import { type Names, namesOf } from './names.ts';
import { PublishedMark } from './published.ts';
import type { Reading, Stored } from './wire.ts';

export interface KurrentDbEventStoreOptions {
  /** Address of the server, see `parseAddress`; may hold a password. */
  readonly url: string;
  /** What the server calls this connection, and its logs show. */
  readonly connectionName: string;
  /** Name of the log in the server: what the names of its streams begin with. Default: `signalbox`. */
  readonly log?: string;
  /** Called after new events have been stored: to wake the relay. Never throws. */
  readonly onAppended?: () => void;
}

/** Most events that one request asks for. */
const page = 1000;

/** Events that one step of a search backwards looks at. */
const searchPage = 100;

/**
 * The log in KurrentDB or EventStoreDB. A call that fails leaves open whether an append was stored; appending the same
 * events again is safe. `recordedAt` is the server's clock: strictly rising as far as that clock is.
 */
export class KurrentDbEventStore extends EventStore {
  readonly storeId: string;
  readonly #client: LogClient;
  readonly #names: Names;
  readonly #published: PublishedMark;
  readonly #onAppended: (() => void) | undefined;
  /** Events that searches backwards came by, the oldest last. */
  readonly #passed: Pick<Stored, 'commit' | 'createdUs'>[] = [];

  constructor(storeId: string, client: LogClient, names: Names, onAppended?: () => void) {
    super();
    this.storeId = storeId;
    this.#client = client;
    this.#names = names;
    this.#published = new PublishedMark(client, names);
    this.#onAppended = onAppended;
  }

  async append(stream: string, expectedVersion: number, events: readonly NewEvent[]): Promise<AppendResult> {
    checkAppend(stream, expectedVersion, events);
    const result = await appendTo(this.#client, this.#names, { stream, expectedVersion, events });
    if (!result.repeated) this.#onAppended?.();
    return result;
  }

  async read(stream: string, from = 1, limit = Infinity): Promise<readonly RecordedEvent[]> {
    const found: RecordedEvent[] = [];
    const name = this.#names.stream(stream);
    for (;;) {
      const wanted = Math.min(page, limit - found.length);
      if (wanted <= 0) return found;
      const next = String(from - 1 + found.length);
      const events = await this.#client.readEvents(name, { from: next, limit: wanted });
      for (const each of events) found.push(decodeEvent(each, this.#names.prefix));
      if (events.length < wanted) return found;
    }
  }

  async readAll(after: Position, limit: number): Promise<readonly RecordedEvent[]> {
    const found: RecordedEvent[] = [];
    let last = after;
    for (;;) {
      // The server answers with the event at the position, too.
      const wanted = Math.min(page, limit - found.length) + 1;
      if (wanted <= 1) return found;
      const from = last === positionStart ? 'start' : String(commitOf(last));
      const events = await this.#page({ from, limit: wanted });
      for (const each of events) {
        const event = decodeEvent(each, this.#names.prefix);
        if (event.position > last && found.length < limit) found.push(event);
      }
      if (events.length < wanted) return found;
      last = found.at(-1)?.position ?? last;
    }
  }

  async head(): Promise<Position> {
    const [newest] = await this.#page({ from: 'end', backwards: true, limit: 1 });
    return newest === undefined ? positionStart : formatPosition(newest.commit);
  }

  /** Goes back from the newest event, or from where an earlier search came by: the server finds no event by its time. */
  async positionBefore(instant: string): Promise<Position> {
    const beforeUs = microsOf(instant);
    let from = this.#passed.findLast(({ createdUs }) => createdUs >= beforeUs)?.commit ?? 'end';
    for (;;) {
      const events = await this.#page({ from, backwards: true, limit: searchPage });
      const earlier = events.find(({ createdUs }) => createdUs < beforeUs);
      if (earlier !== undefined) return formatPosition(earlier.commit);
      const oldest = events.at(-1);
      if (oldest === undefined) return positionStart;
      const { commit, createdUs } = oldest;
      if (createdUs < (this.#passed.at(-1)?.createdUs ?? Infinity)) this.#passed.push({ commit, createdUs });
      from = commit;
    }
  }

  published(): Promise<Position> {
    return this.#published.position();
  }

  setPublished(position: Position): Promise<void> {
    return this.#published.moveTo(position);
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  /** Makes what the adapter keeps for itself; safe in several processes at once. */
  prepare(): Promise<void> {
    return this.#published.prepare();
  }

  #page(reading: Reading): Promise<readonly Stored[]> {
    return this.#client.readAllEvents(this.#names.prefix, reading);
  }
}

/** The id of the store, made by whoever opens the log first. */
const identify = async (client: LogClient, names: Names): Promise<string> => {
  const body = JSON.stringify({ storeId: randomUUID() });
  await client.appendEvents(names.store, -1, [
    { id: randomUUID(), type: 'StoreCreated', body, metadata: '{}' },
  ]);
  const [stored] = await client.readEvents(names.store, { from: 'start', limit: 1 });
  if (stored === undefined) throw new Error(`expected an event in stream ${names.store}, got none`);
  const { storeId }: { storeId: string } = JSON.parse(stored.body);
  return storeId;
};

/**
 * Opens the log of a server, and makes it where it is new. The caller closes it.
 *
 * @throws AddressProblem the address cannot be used; the client's error when the server cannot be reached
 */
export const openKurrentDbEventStore = async (
  options: KurrentDbEventStoreOptions,
): Promise<KurrentDbEventStore> => {
  const names = namesOf(options.log ?? 'signalbox');
  const client = new LogClient(parseAddress(options.url), options.connectionName);
  try {
    const store = new KurrentDbEventStore(await identify(client, names), client, names, options.onAppended);
    await store.prepare();
    return store;
  } catch (error) {
    await client.close();
    throw error;
  }
};
