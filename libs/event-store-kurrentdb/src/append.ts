import { positionStart, type NewEvent, type RecordedEvent } from '@signalbox/contracts';
import { EventIdReused, VersionConflict, type AppendResult } from '@signalbox/event-store';
import { randomUUID } from 'node:crypto';
import { appendOf, decodeEvent, isSame, propose } from './events.ts';
import type { LogClient } from './log-client.ts';
import type { Names } from './names.ts';

interface Append {
  readonly stream: string;
  readonly expectedVersion: number;
  readonly events: readonly NewEvent[];
}

const page = 500;

/** Last revision of a stream that does not exist. */
const none = -1;

/**
 * Binds an id to a stream for ever: the server itself knows an id within one stream only. Answers the stream that has it,
 * and whether that was new. The claim's own id is a fresh one, else the server would take a second claim for the first.
 */
const claim = async (client: LogClient, names: Names, stream: string, eventId: string) => {
  const name = names.claim(eventId);
  const body = JSON.stringify({ stream });
  const event = { id: randomUUID(), type: 'EventIdClaimed', body, metadata: '{}' };
  if ((await client.appendEvents(name, none, [event])).accepted)
    return { eventId, owner: stream, fresh: true };
  const [stored] = await client.readEvents(name, { from: 'start', limit: 1 });
  if (stored === undefined) throw new Error(`expected the claim of event id ${eventId}, got none`);
  const { stream: owner }: { stream: string } = JSON.parse(stored.body);
  return { eventId, owner, fresh: false };
};

/** Those of the ids that the stream holds, in its order; read from its end, as a retry is mostly of what came last. */
const findIds = async (
  client: LogClient,
  names: Names,
  stream: string,
  ids: ReadonlySet<string>,
): Promise<readonly RecordedEvent[]> => {
  const found: RecordedEvent[] = [];
  let from = 'end';
  while (found.length < ids.size) {
    const events = await client.readEvents(names.stream(stream), { from, backwards: true, limit: page });
    for (const each of events) if (ids.has(each.id)) found.unshift(decodeEvent(each, names.prefix));
    const last = events.at(-1)?.revision ?? 0;
    if (last === 0) break;
    from = String(last - 1);
  }
  return found;
};

const resultOf = (events: readonly RecordedEvent[], repeated: boolean): AppendResult => ({
  version: events.at(-1)?.streamVersion ?? 0,
  position: events.at(-1)?.position ?? positionStart,
  events,
  repeated,
});

/** What an append means of which some ids are stored in its stream. @throws EventIdReused */
const judge = ({ stream, events }: Append, stored: readonly RecordedEvent[]): AppendResult => {
  const byId = new Map(stored.map((each) => [each.id, each]));
  const other = events.filter((event) => {
    const known = byId.get(event.id);
    return known !== undefined && !isSame(known, event);
  });
  if (other.length > 0 || stored.length < events.length) {
    throw new EventIdReused(
      stream,
      (other.length > 0 ? other : stored).map(({ id }) => id),
    );
  }
  return resultOf(stored, true);
};

/** Positions and instants are the server's: the events are read back, and whose they are is seen by the append's name. */
const readBack = async (
  client: LogClient,
  names: Names,
  append: Append,
  name: string,
): Promise<AppendResult> => {
  const { stream, expectedVersion, events } = append;
  const reading = { from: String(expectedVersion), limit: events.length };
  const stored = await client.readEvents(names.stream(stream), reading);
  const recorded = stored.map((each) => decodeEvent(each, names.prefix));
  if (recorded.length < events.length || recorded.some(({ id }, index) => id !== events[index]?.id)) {
    throw new Error(`expected the events that were just appended to stream ${stream}, got others`);
  }
  if (stored.every((each) => appendOf(each) === name)) return resultOf(recorded, false);
  return judge(append, recorded);
};

/**
 * Appends to one stream. The ids are claimed first, then the server appends at the expected revision. Where an id had been
 * claimed before, or the revision is another, the stream is searched for the ids, so that an append that had succeeded
 * succeeds again.
 */
export const appendTo = async (client: LogClient, names: Names, append: Append): Promise<AppendResult> => {
  const { stream, expectedVersion, events } = append;
  const ids = events.map(({ id }) => id);
  const claims = await Promise.all(ids.map((id) => claim(client, names, stream, id)));
  const elsewhere = claims.filter(({ owner }) => owner !== stream);
  if (elsewhere.length > 0)
    throw new EventIdReused(
      stream,
      elsewhere.map(({ eventId }) => eventId),
    );
  const search = () => findIds(client, names, stream, new Set(ids));
  if (claims.some(({ fresh }) => !fresh)) {
    const stored = await search();
    if (stored.length > 0) return judge(append, stored);
  }
  const name = randomUUID();
  const proposed = events.map((event) => propose(event, name));
  const answer = await client.appendEvents(names.stream(stream), expectedVersion - 1, proposed);
  if (answer.accepted) return readBack(client, names, append, name);
  const stored = await search();
  if (stored.length > 0) return judge(append, stored);
  throw new VersionConflict(stream, expectedVersion, answer.lastRevision + 1);
};
