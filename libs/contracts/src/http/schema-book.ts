import { z } from 'zod';

type Json = Record<string, unknown>;

const isRecord = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The same JSON with every reference to a definition passed through `rename` and pointed at the components. */
const repoint = (value: unknown, rename: (id: string) => string): unknown => {
  if (Array.isArray(value)) return value.map((each) => repoint(each, rename));
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => key !== '$schema' && key !== '$defs' && key !== 'id')
      .map(([key, each]) =>
        key === '$ref' && typeof each === 'string'
          ? [key, `#/components/schemas/${rename(each.slice(each.lastIndexOf('/') + 1))}`]
          : [key, key === 'properties' && isRecord(each) ? repointAll(each, rename) : repoint(each, rename)],
      ),
  );
};

/** Properties may have any name, `id` too, so their names are kept as they are. */
const repointAll = (properties: Json, rename: (id: string) => string): Json =>
  Object.fromEntries(Object.entries(properties).map(([name, each]) => [name, repoint(each, rename)]));

/** Answers may get more fields later, so only what is sent to us is closed. */
const openAnswers =
  (io: 'input' | 'output') =>
  ({ zodSchema, jsonSchema }: { readonly zodSchema: z.core.$ZodTypes; readonly jsonSchema: Json }): void => {
    const open = zodSchema._zod.def.type === 'object' && zodSchema._zod.def.catchall === undefined;
    if (io === 'output' && open) delete jsonSchema.additionalProperties;
  };

export interface Property {
  readonly name: string;
  readonly required: boolean;
  readonly schema: unknown;
  readonly description: string | undefined;
}

/**
 * JSON Schemas of one document: named schemas become components. What is sent and what is answered may differ (defaults,
 * short forms); a schema that is used both ways and differs is listed twice, the sent form as `<Name>Input`.
 */
export class SchemaBook {
  readonly #components: Json = {};

  /** `answers` go first, so that they keep the plain names. */
  constructor(answers: readonly z.ZodType[]) {
    for (const each of answers) this.output(each);
  }

  output(schema: z.ZodType): unknown {
    return this.#enter(schema, 'output');
  }

  input(schema: z.ZodType): unknown {
    return this.#enter(schema, 'input');
  }

  /** The fields of an object that is sent in a path, a query or headers. */
  propertiesOf(schema: z.ZodType): Property[] {
    const object = this.input(schema);
    if (!isRecord(object) || !isRecord(object.properties)) return [];
    const required = Array.isArray(object.required) ? object.required : [];
    return Object.entries(object.properties).map(([name, property]) => {
      const { description, ...rest } = isRecord(property) ? property : {};
      return {
        name,
        required: required.includes(name),
        schema: rest,
        description: typeof description === 'string' ? description : undefined,
      };
    });
  }

  components(): Json {
    return Object.fromEntries(
      Object.entries(this.#components).toSorted(([left], [right]) => (left < right ? -1 : 1)),
    );
  }

  #enter(schema: z.ZodType, io: 'input' | 'output'): unknown {
    const whole: unknown = z.toJSONSchema(schema, {
      io,
      unrepresentable: 'any',
      target: 'draft-2020-12',
      override: openAnswers(io),
    });
    if (!isRecord(whole)) return {};
    const definitions: Json = isRecord(whole.$defs) ? whole.$defs : {};
    const rename = this.#naming(definitions);
    for (const [id, definition] of Object.entries(definitions)) {
      this.#components[rename(id)] = repoint(definition, rename);
    }
    return repoint(whole, rename);
  }

  /** Names under which the definitions go in: their own where they are new or equal, else with `Input` behind. */
  #naming(definitions: Json): (id: string) => string {
    const renamed = new Set<string>();
    const rename = (id: string): string => (renamed.has(id) ? `${id}Input` : id);
    for (let before = -1; before !== renamed.size;) {
      before = renamed.size;
      for (const [id, definition] of Object.entries(definitions)) {
        const known = this.#components[id];
        if (known === undefined || renamed.has(id)) continue;
        if (JSON.stringify(repoint(definition, rename)) !== JSON.stringify(known)) renamed.add(id);
      }
    }
    return rename;
  }
}
