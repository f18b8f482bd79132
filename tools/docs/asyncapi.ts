import { readFileSync } from 'node:fs';
import {
  type EventJsonSchema,
  type EventType,
  type RecordedEvent,
  assignmentEvents,
  deviceEvents,
  eventJsonSchemas,
  eventsStreamName,
  jobEvents,
  subjects,
} from '@signalbox/contracts';
import { description, headerSchema, headersOf } from './asyncapi-words.ts';

type Json = Readonly<Record<string, unknown>>;

/** A golden fixture: envelope and data of one event. */
export type Fixture = Omit<RecordedEvent, 'body'> & { readonly data: Json };

/** The golden fixture of a type's version, which is also the example in the page. */
export const readFixture = (type: string, version: number): Fixture => {
  const file = new URL(`../../libs/contracts/fixtures/events/${type}.v${version}.json`, import.meta.url);
  const fixture: Fixture = JSON.parse(readFileSync(file, 'utf8'));
  return fixture;
};

/** What the last part of the subject is: the job's id, or the aggregate's where there is no job. */
const subjectPart = (type: EventType): { readonly name: string; readonly description: string } => {
  if (Object.hasOwn(jobEvents, type) || Object.hasOwn(assignmentEvents, type)) {
    return { name: 'jobId', description: 'Id of the job, a UUID; also the correlation id' };
  }
  if (Object.hasOwn(deviceEvents, type)) return { name: 'deviceId', description: 'Id of the device' };
  return { name: 'principalId', description: 'Id of the principal' };
};

/** The same JSON with references to local definitions pointed at the components. */
const repoint = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(repoint);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) =>
      key === '$ref' && typeof each === 'string'
        ? [key, each.replace('#/$defs/', '#/components/schemas/')]
        : [key, repoint(each)],
    ),
  );
};

const schemasOf = (events: readonly EventJsonSchema[]): Json => {
  const named: Record<string, unknown> = { EventHeaders: headerSchema };
  for (const { type, schema } of events) {
    const { $defs, $schema: _dialect, ...data } = schema;
    for (const [name, definition] of Object.entries($defs ?? {})) named[name] = repoint(definition);
    named[type] = repoint(data);
  }
  return Object.fromEntries(Object.entries(named).toSorted(([left], [right]) => (left < right ? -1 : 1)));
};

const channelOf = ({ type, description: meaning }: EventJsonSchema): Json => {
  const part = subjectPart(type);
  return {
    address: subjects.event(type, `{${part.name}}`),
    title: type,
    description: meaning,
    parameters: { [part.name]: { description: part.description } },
    messages: { [type]: { $ref: `#/components/messages/${type}` } },
  };
};

const messageOf = ({ type, version, description: meaning }: EventJsonSchema): Json => {
  const fixture = readFixture(type, version);
  return {
    name: type,
    title: `${type}, version ${version}`,
    summary: meaning,
    contentType: 'application/json',
    headers: { $ref: '#/components/schemas/EventHeaders' },
    payload: { $ref: `#/components/schemas/${type}` },
    examples: [{ name: type, headers: headersOf(fixture), payload: fixture.data }],
  };
};

const operationOf = ({ type, description: meaning }: EventJsonSchema): Json => ({
  action: 'send',
  summary: meaning,
  channel: { $ref: `#/channels/${type}` },
  messages: [{ $ref: `#/channels/${type}/messages/${type}` }],
});

/** The events of Signalbox as an AsyncAPI 3.0 document; pure but for reading the fixtures. */
export const asyncApiDocument = (): Json => {
  const events = eventJsonSchemas();
  const each = (make: (event: EventJsonSchema) => Json): Json =>
    Object.fromEntries(events.map((event) => [event.type, make(event)]));
  return {
    asyncapi: '3.0.0',
    info: { title: 'Signalbox events', version: '1', description },
    defaultContentType: 'application/json',
    servers: {
      nats: {
        host: 'localhost:4222',
        protocol: 'nats',
        description: `NATS with JetStream; the stream ${eventsStreamName} holds \`${subjects.allEvents}\``,
        security: [{ $ref: '#/components/securitySchemes/subscriber' }],
      },
    },
    channels: each(channelOf),
    operations: Object.fromEntries(events.map((event) => [`publish${event.type}`, operationOf(event)])),
    components: {
      messages: each(messageOf),
      schemas: schemasOf(events),
      securitySchemes: {
        subscriber: {
          type: 'userPassword',
          description: 'User `subscriber`: may read events and nothing else',
        },
      },
    },
  };
};
