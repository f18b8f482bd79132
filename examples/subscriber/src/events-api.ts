import { type SeenEvent, eventOfRow, fieldOf, positionOf, sourceOf, textOf } from './event.ts';

/** A page of `GET /api/v1/events`. */
export interface EventPage {
  readonly source: string;
  readonly events: readonly SeenEvent[];
  /** Newest published position. */
  readonly head: string;
}

/** Reads the events after a position, in order. */
export type ReadEvents = (after: string, signal: AbortSignal) => Promise<EventPage>;

const pageSize = 1_000;
const timeoutMs = 10_000;

/**
 * Reads over REST with an API key that has the role viewer.
 *
 * @throws Error the API could not be reached or did not answer with a page
 */
export const eventsApi =
  (url: string, key: string): ReadEvents =>
  async (after, signal) => {
    const answer = await fetch(`${url}/api/v1/events?after=${after}&limit=${pageSize}`, {
      headers: { authorization: `Bearer ${key}` },
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    if (!answer.ok)
      throw new Error(`expected a page of events, got ${answer.status}: ${await answer.text()}`);
    const page: unknown = await answer.json();
    const source = sourceOf(textOf(page, 'storeId'));
    const rows = fieldOf(page, 'events');
    if (!Array.isArray(rows)) throw new Error('expected a list of events, got none');
    return { source, events: rows.map((row) => eventOfRow(row, source)), head: positionOf(page, 'head') };
  };
