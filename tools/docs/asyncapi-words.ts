import { eventsStreamName, positionStart } from '@signalbox/contracts';
import type { Fixture } from './asyncapi.ts';

/** How to subscribe, in the words of the page. */
export const description = `\
Every step of every job is an event. Events are published over NATS in CloudEvents 1.0, binary mode: the attributes are
headers, the body is the JSON of the data. What is not an event did not happen.

**Following.** One job live: a core NATS subscription on \`events.*.<jobId>\`; no JetStream consumer per viewer. Everything:
a durable JetStream consumer on stream \`${eventsStreamName}\`. A subscriber that waits for a job to end waits for the one
\`JobStatusChanged\` whose field \`job\` is not null.

**Order.** Messages of \`events.>\` come in the order of their position. \`ce-position\` is a text of 16 digits that grows
from event to event with holes; compare it as text, never calculate with it. \`ce-streamversion\` counts the events of one
aggregate (\`ce-subject\`) without holes: 1, 2, 3 and so on.

**Repetition.** Delivery is at least once. The same event always has the same id (\`ce-id\`, also \`Nats-Msg-Id\`): drop an id,
or a position not greater than the last one, that has been seen.

**Catching up.** The stream keeps a window, 24 hours unless set otherwise. \`ce-previous\` is the position published before
this message: when it is greater than your own, something is missing. Older and missing events come from
\`GET /api/v1/events?after=<position>\`, in order, from \`${positionStart}\` on. Keep the position of what you have processed,
never a JetStream sequence. Positions are valid within one store, which \`ce-source\` names: when it changes, start over.

**Versions.** Fields may be added to an event at any time: ignore those you do not know. A field is never removed or
reinterpreted; where that is needed the type gets a new version (\`ce-version\`).

Instants are ISO-8601 in UTC and strictly later than those of the event's cause and of its stream's last event. Durations
are integer milliseconds. An event is at most 256 KiB.

Header values follow the CloudEvents NATS binding: spaces, double quotes, per cent signs and everything that is not
printable ASCII are percent-encoded.`;

const text = (meaning: string) => ({ type: 'string', description: meaning });

/** The headers of every event. */
export const headerSchema = {
  type: 'object',
  description: 'CloudEvents attributes and trace context',
  properties: {
    'Nats-Msg-Id': text('The event’s id, for de-duplication by JetStream'),
    'ce-specversion': { type: 'string', const: '1.0' },
    'ce-id': { ...text('The event’s id'), format: 'uuid' },
    'ce-type': text('Type of the event'),
    'ce-source': text('`urn:signalbox:<storeId>`: the store that the positions belong to'),
    'ce-time': { ...text('When it occurred'), format: 'date-time' },
    'ce-subject': text('The event’s stream in the store: its aggregate'),
    'content-type': { type: 'string', const: 'application/json' },
    'ce-version': text('Version of the type’s schema'),
    'ce-recordedat': { ...text('When the store recorded it'), format: 'date-time' },
    'ce-actortype': { type: 'string', enum: ['principal', 'agent', 'service'] },
    'ce-actorid': text('Who did it, by opaque id'),
    'ce-correlationid': text('The job’s id where there is a job'),
    'ce-causationid': text('Id of the command or event that caused this one; absent where there is none'),
    'ce-streamversion': text('Version of the stream with this event: 1, 2, 3 and so on'),
    'ce-position': text('Place in the global order, 16 digits'),
    'ce-previous': text('Position published before this event'),
    traceparent: text('W3C trace context; absent where there is none'),
  },
  required: [
    'Nats-Msg-Id',
    ...['ce-specversion', 'ce-id', 'ce-type', 'ce-source', 'ce-time', 'ce-subject', 'content-type'],
    ...['ce-version', 'ce-recordedat', 'ce-actortype', 'ce-actorid', 'ce-correlationid', 'ce-streamversion'],
    ...['ce-position', 'ce-previous'],
  ],
};

const optional = (name: string, value: unknown) =>
  value === undefined || value === null ? {} : { [name]: value };

/** The headers with which a fixture's event would be published. */
export const headersOf = (fixture: Fixture): Readonly<Record<string, unknown>> => {
  const { actor, id, position } = fixture;
  return {
    'Nats-Msg-Id': id,
    'ce-specversion': '1.0',
    'ce-id': id,
    'ce-type': fixture.type,
    'ce-source': 'urn:signalbox:7d0c3f1e-2b4a-4c58-9d3e-0a6b5c4d3e2f',
    'ce-time': fixture.occurredAt,
    'ce-subject': fixture.stream,
    'content-type': 'application/json',
    'ce-version': String(fixture.version),
    'ce-recordedat': fixture.recordedAt,
    'ce-actortype': actor.type,
    'ce-actorid': actor.id,
    'ce-correlationid': fixture.correlationId,
    ...optional('ce-causationid', fixture.causationId),
    'ce-streamversion': String(fixture.streamVersion),
    'ce-position': position,
    'ce-previous': String(Number(position) - 3).padStart(position.length, '0'),
    ...optional('traceparent', fixture.traceparent),
  };
};
