import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { Envelope, type RecordedEvent } from '../envelope.ts';
import { upcast } from '../upcasters/upcasters.ts';
import { UndecodableEvent, decodeEvent, eventTypes, subjectIdOf } from './catalogue.ts';
import { eventJsonSchemas } from './json-schema.ts';

const folder = new URL('../../fixtures/events/', import.meta.url);
const files = readdirSync(folder);

type Fixture = Omit<RecordedEvent, 'body'> & { readonly data: Record<string, unknown> };
const read = (file: string): Fixture => JSON.parse(readFileSync(new URL(file, folder), 'utf8'));
const recorded = ({ data, ...envelope }: Fixture): RecordedEvent => ({
  ...envelope,
  body: JSON.stringify(data),
});

const jobCreated = read('JobCreated.v1.json');

describe('golden fixtures', () => {
  it('exist for every version of every type, and for nothing else', () => {
    const wanted = Object.entries(eventTypes).flatMap(([type, { version }]) =>
      Array.from({ length: version }, (_, index) => `${type}.v${index + 1}.json`),
    );
    expect(files.toSorted()).toEqual(wanted.toSorted());
  });

  it.each(files)('%s decodes and encodes again to the same data', (file) => {
    const fixture = read(file);
    expect(`${fixture.type}.v${fixture.version}.json`).toBe(file);
    const event = decodeEvent(recorded(fixture));
    expect(Envelope.parse(event)).toEqual(Envelope.parse(fixture));
    if (event.version === eventTypes[event.type].version) {
      expect(JSON.parse(JSON.stringify(event.data))).toEqual(fixture.data);
    }
  });

  it.each(files)('%s tolerates a field that a later release added', (file) => {
    const fixture = read(file);
    const event = decodeEvent(recorded({ ...fixture, data: { ...fixture.data, addedLater: true } }));
    expect(event.data).toEqual(decodeEvent(recorded(fixture)).data);
  });

  it.each(files)('%s has no field that could be left out unnoticed', (file) => {
    const fixture = read(file);
    const { type, version } = fixture;
    const schema = eventJsonSchemas().find((each) => each.type === type && each.version === version)?.schema;
    expect(Object.keys(fixture.data).toSorted()).toEqual(Object.keys(Object(schema?.properties)).toSorted());
    for (const field of Object.keys(fixture.data)) {
      const { [field]: _left, ...rest } = fixture.data;
      expect(() => decodeEvent(recorded({ ...fixture, data: rest }))).toThrow(UndecodableEvent);
    }
  });
});

describe('an event that cannot be read', () => {
  it.each([
    ['of an unknown type', { type: 'JobForgotten' }, 'unknown type'],
    ['of a newer version', { version: 99 }, 'newest known version is 1'],
    ['that is no JSON', { body: '{' }, 'JSON'],
    ['with data that its schema refuses', { body: '{"jobId":"x"}' }, 'expected a UUID'],
  ])('%s is named with its id', (_, change, why) => {
    const event = { ...recorded(jobCreated), ...change };
    expect(() => decodeEvent(event)).toThrow(
      expect.objectContaining({ eventId: event.id, message: expect.stringContaining(why) }),
    );
  });
});

describe('upcasting', () => {
  const registry = {
    Renamed: {
      1: (data: unknown) => ({ first: data }),
      2: (data: unknown) => ({ second: data }),
    },
  };
  it('takes every step between the versions, in order', () => {
    expect(upcast(registry, 'Renamed', { from: 1, to: 3 }, 'x')).toEqual({ second: { first: 'x' } });
    expect(upcast(registry, 'Renamed', { from: 2, to: 3 }, 'x')).toEqual({ second: 'x' });
    expect(upcast(registry, 'Renamed', { from: 3, to: 3 }, 'x')).toBe('x');
  });

  it('refuses a missing step', () => {
    expect(() => upcast(registry, 'Renamed', { from: 1, to: 4 }, 'x')).toThrow(
      'expected an upcaster of Renamed from version 3, got none',
    );
    expect(() => upcast(registry, 'Other', { from: 1, to: 2 }, 'x')).toThrow('got none');
  });
});

it('names the subject of an event by its job, or by its aggregate where there is none', () => {
  expect(subjectIdOf(read('JobStatusChanged.v1.json'))).toBe(jobCreated.correlationId);
  expect(subjectIdOf(jobCreated)).toBe(jobCreated.correlationId);
  expect(subjectIdOf(read('DeviceEnrolled.v1.json'))).toBe('pi-kitchen');
  expect(subjectIdOf(read('CommandDenied.v1.json'))).toBe('principal-77aa');
});

it('has a JSON Schema of draft 2020-12 for every type, open for later fields', () => {
  const schemas = eventJsonSchemas();
  expect(schemas.map((each) => each.type)).toEqual(Object.keys(eventTypes).toSorted());
  for (const { schema, description } of schemas) {
    expect(schema.$schema).toBe('https://json-schema.org/draft/2020-12/schema');
    expect(schema).not.toHaveProperty('additionalProperties');
    expect(description).not.toBe('');
  }
});

it('keeps a document exactly as it was accepted: unknown fields, unknown steps, order of fields', () => {
  const document = {
    version: '1.0',
    steps: [{ timeoutSeconds: 5, name: 'new', colour: 'blue', type: 'runTomorrow' }],
    later: true,
  };
  const event = decodeEvent(recorded({ ...jobCreated, data: { ...jobCreated.data, document } }));
  expect(JSON.stringify(event.type === 'JobCreated' && event.data.document)).toBe(JSON.stringify(document));
});
