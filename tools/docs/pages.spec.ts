import { readFileSync } from 'node:fs';
import { describe, expect, it, jest } from '@jest/globals';
import { encodeEvent } from '@signalbox/bus-nats';
import { Validator } from '@seriousme/openapi-schema-validator';
import {
  agentRoutes,
  apiRoutes,
  eventJsonSchemas,
  eventTypes,
  openApiDocument,
  problemStatus,
  reasonCodes,
} from '@signalbox/contracts';
import { Ajv } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { headerSchema, headersOf } from './asyncapi-words.ts';
import { asyncApiDocument, readFixture } from './asyncapi.ts';
import { errorCodesPage } from './error-codes.ts';

/** The meta-schemas are large. */
jest.setTimeout(60_000);

const asyncApiSchema: object = JSON.parse(
  readFileSync(new URL(import.meta.resolve('@asyncapi/specs/schemas/3.0.0.json')), 'utf8'),
);

/** Every `$ref` of a document that leads nowhere. */
const brokenReferences = (document: unknown): string[] => {
  const resolve = (reference: string): unknown =>
    reference
      .slice(2)
      .split('/')
      .reduce<unknown>(
        (place, part) => Object(place)[part.replaceAll('~1', '/').replaceAll('~0', '~')],
        document,
      );
  const broken: string[] = [];
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [key, each] of Object.entries(value)) {
      if (key === '$ref' && typeof each === 'string' && resolve(each) === undefined) broken.push(each);
      visit(each);
    }
  };
  visit(document);
  return broken;
};

describe('the AsyncAPI document', () => {
  const document = asyncApiDocument();

  it('is valid AsyncAPI 3.0 whose references all lead somewhere', () => {
    // The schema brings the meta-schema along, so Ajv must not have it as well.
    const options = { strict: false, validateFormats: false, meta: false, validateSchema: false };
    const validate = new Ajv(options).compile(asyncApiSchema);
    validate(document);
    expect(validate.errors).toBeNull();
    expect(brokenReferences(document)).toEqual([]);
    expect(brokenReferences({ a: { $ref: '#/b/c' } })).toEqual(['#/b/c']);
  });

  it('has a channel with an address for every type of event', () => {
    const addresses = Object.values(Object(document.channels)).map((each) => Object(each).address);
    expect(addresses.toSorted()).toEqual(
      Object.keys(eventTypes)
        .toSorted()
        .map((type) =>
          expect.stringMatching(new RegExp(`^events\\.${type}\\.\\{(job|device|principal)Id\\}$`)),
        ),
    );
  });

  it.each(eventJsonSchemas())(
    'has an example of $type that its schema accepts',
    ({ type, version, schema }) => {
      const validate = new Ajv2020({ strict: true, strictTypes: false, validateFormats: false }).compile(
        schema,
      );
      const { data } = readFixture(type, version);
      validate(data);
      expect(validate.errors).toBeNull();
      expect(validate({ ...data, addedLater: 1 })).toBe(true);
      expect(validate({})).toBe(false);
    },
  );
});

describe('the headers in the AsyncAPI document', () => {
  it.each(eventJsonSchemas())('of $type are those that the relay writes', ({ type, version }) => {
    const { data, ...envelope } = readFixture(type, version);
    const shown = headersOf({ ...envelope, data });
    const [storeId, previous] = [
      String(shown['ce-source']).replace('urn:signalbox:', ''),
      String(shown['ce-previous']),
    ];
    const written = encodeEvent({ ...envelope, body: JSON.stringify(data) }, previous, storeId).fields;
    const lines = written.split('\r\n').filter((line) => line !== '');
    expect(lines).toEqual(Object.entries(shown).map(([name, value]) => `${name}: ${String(value)}`));
    expect(Object.keys(headerSchema.properties)).toEqual(expect.arrayContaining(Object.keys(shown)));
    expect(Object.keys(shown)).toEqual(expect.arrayContaining(headerSchema.required));
  });
});

describe('the OpenAPI document', () => {
  it('is valid OpenAPI 3.1 whose references all lead somewhere', async () => {
    const document = openApiDocument({ ...apiRoutes, ...agentRoutes });
    expect(brokenReferences(document)).toEqual([]);
    const result = await new Validator().validate(structuredClone({ ...document }));
    expect(result).toEqual({ valid: true });
  });
});

it('the page of error codes explains every code', () => {
  const page = errorCodesPage();
  for (const code of [...Object.keys(problemStatus), ...reasonCodes]) {
    expect(page).toMatch(new RegExp(`^\\| \`${code}\` .*[a-z].* \\|$`, 'm'));
  }
});
