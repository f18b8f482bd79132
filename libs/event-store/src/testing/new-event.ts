import { deriveId, type NewEvent, type Position } from '@signalbox/contracts';
import type { EventStore } from '../event-store.ts';

let count = 0;

/** A name that no other case of this process uses. */
export const unique = (prefix: string): string => {
  count += 1;
  return `${prefix}-${process.pid}-${count}`;
};

/** An event with an id of its own; give what the case is about. */
export const newEvent = (fields: Partial<NewEvent> = {}): NewEvent => ({
  id: deriveId('conformance', unique('event')),
  type: 'JobStatusChanged',
  version: 1,
  occurredAt: '2026-01-31T12:00:00.250Z',
  actor: { type: 'service', id: 'conformance' },
  correlationId: 'job-1',
  causationId: null,
  body: '{"to":"SUCCEEDED"}',
  ...fields,
});

export const newEvents = (length: number): readonly NewEvent[] => Array.from({ length }, () => newEvent());

/** One store, or several over the same log, as different processes would have them. */
export interface Opened {
  readonly store: EventStore;
  /** Opens the same log once more, with connections of its own; closed by `close` as well. */
  readonly another?: () => Promise<EventStore>;
  close(): Promise<void>;
}

export type Open = () => Promise<Opened>;

/** What the cases of one describe block share. */
export interface Bench {
  readonly store: () => EventStore;
  /** A second way to the same log where the adapter has one, else the first. */
  readonly other: () => EventStore;
  readonly open: Open;
}

/** What a promise was refused with; `undefined` when it was not. */
export const refusal = async (promise: Promise<unknown>): Promise<unknown> => {
  try {
    await promise;
    return undefined;
  } catch (error) {
    return error;
  }
};

/** Everything after a position, page by page. */
export const readToEnd = async (store: EventStore, after: Position, page = 500) => {
  const events = [...(await store.readAll(after, page))];
  for (let last = events.at(-1); last !== undefined; last = events.at(-1)) {
    const more = await store.readAll(last.position, page);
    if (more.length === 0) break;
    events.push(...more);
  }
  return events;
};
