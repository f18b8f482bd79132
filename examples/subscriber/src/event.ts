/** What this program needs of an event, from a NATS message or from a page of the REST API. */
export interface SeenEvent {
  readonly id: string;
  readonly type: string;
  /** Names the event store: positions of another source mean nothing here. */
  readonly source: string;
  /** Place in the order of all events: a text of 16 digits, compared as text. */
  readonly position: string;
  readonly occurredAt: string;
  readonly data: unknown;
}

/** An event as NATS delivers it: it also names the event published before it. */
export interface DeliveredEvent extends SeenEvent {
  readonly previous: string;
}

/** The part of a NATS message that is read. */
export interface Message {
  readonly headers?: { get(name: string): string } | undefined;
  readonly data: Uint8Array;
}

/** The end of a job as a whole. */
export interface JobEnd {
  readonly jobId: string;
  readonly status: string;
  readonly at: string;
}

/** The position before every event. */
export const startPosition = '0'.repeat(16);

const positionPattern = /^\d{16}$/;

export const fieldOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null
    ? Object.entries(value).find(([key]) => key === name)?.[1]
    : undefined;

/** @throws Error the field is missing or no text */
export const textOf = (value: unknown, name: string): string => {
  const found = fieldOf(value, name);
  if (typeof found === 'string' && found !== '') return found;
  throw new Error(`expected a text "${name}", got ${JSON.stringify(found)}`);
};

/** @throws Error the field is no position */
export const positionOf = (value: unknown, name: string): string => {
  const found = textOf(value, name);
  if (positionPattern.test(found)) return found;
  throw new Error(`expected a position of 16 digits as "${name}", got "${found}"`);
};

/** Source of the events of the store with this id, as the header `ce-source` writes it. */
export const sourceOf = (storeId: string): string => `urn:signalbox:${storeId}`;

/**
 * CloudEvents in binary mode: attributes are headers, the body is the data.
 *
 * @throws Error a header is missing, or the body is no JSON
 */
export const eventOfMessage = ({ headers, data }: Message): DeliveredEvent => {
  const names = ['ce-id', 'ce-type', 'ce-source', 'ce-position', 'ce-previous', 'ce-time'];
  const attributes = Object.fromEntries(
    names.map((name) => [name, decodeURIComponent(headers?.get(name) ?? '')]),
  );
  return {
    id: textOf(attributes, 'ce-id'),
    type: textOf(attributes, 'ce-type'),
    source: textOf(attributes, 'ce-source'),
    position: positionOf(attributes, 'ce-position'),
    previous: positionOf(attributes, 'ce-previous'),
    occurredAt: textOf(attributes, 'ce-time'),
    data: JSON.parse(new TextDecoder().decode(data)),
  };
};

/** One event of a page of `GET /api/v1/events`. @throws Error a field is missing */
export const eventOfRow = (row: unknown, source: string): SeenEvent => ({
  id: textOf(row, 'id'),
  type: textOf(row, 'type'),
  source,
  position: positionOf(row, 'position'),
  occurredAt: textOf(row, 'occurredAt'),
  data: fieldOf(row, 'data'),
});

/** Exactly one event of every job has the field `job`: the one that ends it. Undefined for all others. */
export const jobEndOf = (event: SeenEvent): JobEnd | undefined => {
  const job = event.type === 'JobStatusChanged' ? fieldOf(event.data, 'job') : undefined;
  if (job === undefined || job === null) return undefined;
  return { jobId: textOf(event.data, 'jobId'), status: textOf(job, 'status'), at: event.occurredAt };
};
