import { z } from 'zod';
import { type EventType, eventTypes, isEventType } from './catalogue.ts';

/** JSON Schema (draft 2020-12) of one type's data at its current version. */
export interface EventJsonSchema {
  readonly type: EventType;
  readonly version: number;
  readonly description: string;
  /** Self-contained: what it refers to is in its `$defs`. */
  readonly schema: Readonly<Record<string, unknown>>;
}

/**
 * Fields may be added to an event without a new version, so a reader must tolerate what it does not know. The bounds of
 * safe integers and equal alternatives say nothing and are left out.
 */
const simplify = ({ jsonSchema }: { readonly jsonSchema: z.core.JSONSchema.BaseSchema }): void => {
  if (jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
  if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
  const [first, ...others] = jsonSchema.anyOf ?? [];
  if (first !== undefined && others.every((each) => JSON.stringify(each) === JSON.stringify(first))) {
    delete jsonSchema.anyOf;
    Object.assign(jsonSchema, first);
  }
};

const schemaOf = (type: EventType): EventJsonSchema => {
  const { version, schema } = eventTypes[type];
  const json = z.toJSONSchema(schema, { target: 'draft-2020-12', io: 'output', override: simplify });
  return { type, version, description: schema.description ?? '', schema: { ...json } };
};

/** JSON Schemas of all event types, by name: what AsyncAPI shows and foreign readers validate with. */
export const eventJsonSchemas = (): readonly EventJsonSchema[] =>
  Object.keys(eventTypes).filter(isEventType).toSorted().map(schemaOf);
