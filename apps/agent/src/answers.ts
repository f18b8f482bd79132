import type { AttemptRef, Enrolled, Offer, OutputStored, PollAnswer, Renewed, StatusTaken } from './wire.ts';

/** The server answered something that the protocol does not allow. Thrown by every decoder of this file. */
export class UnexpectedAnswer extends Error {
  constructor(where: string, expected: string, got: unknown) {
    super(`${where}: expected ${expected}, got ${got === null ? 'null' : typeof got}`);
    this.name = 'UnexpectedAnswer';
  }
}

export type Fields = Readonly<Record<string, unknown>>;

export const isRecord = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Reads the fields of one object; every method throws {@link UnexpectedAnswer} naming the field. */
class Reader {
  readonly #fields: Fields;
  readonly #where: string;
  constructor(value: unknown, where: string) {
    if (!isRecord(value)) throw new UnexpectedAnswer(where, 'an object', value);
    this.#fields = value;
    this.#where = where;
  }
  raw(field: string): unknown {
    return this.#fields[field];
  }
  at(field: string): string {
    return `${this.#where}.${field}`;
  }
  text(field: string, form: RegExp = /./): string {
    const value = this.#fields[field];
    if (typeof value !== 'string' || !form.test(value)) {
      throw new UnexpectedAnswer(this.at(field), `a text like ${form}`, value);
    }
    return value;
  }
  integer(field: string, least = 0): number {
    const value = this.#fields[field];
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least) {
      throw new UnexpectedAnswer(this.at(field), `an integer of at least ${least}`, value);
    }
    return value;
  }
  flag(field: string): boolean {
    const value = this.#fields[field];
    if (typeof value !== 'boolean') throw new UnexpectedAnswer(this.at(field), 'true or false', value);
    return value;
  }
  list<T>(field: string, decode: (value: unknown, where: string) => T): readonly T[] {
    const value = this.#fields[field];
    if (!Array.isArray(value)) throw new UnexpectedAnswer(this.at(field), 'a list', value);
    return value.map((each: unknown, index) => decode(each, `${this.at(field)}.${index}`));
  }
}

const id = /^[A-Za-z0-9_-]{1,64}$/;
const uuid = /^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/;
const sha256 = /^[0-9a-f]{64}$/;
const position = /^\d{16}$/;

const refFrom = (reader: Reader): AttemptRef => ({
  jobId: reader.text('jobId', uuid),
  targetId: reader.text('targetId', id),
  attempt: reader.integer('attempt', 1),
});

const decodeRef = (value: unknown, where: string): AttemptRef => refFrom(new Reader(value, where));

export const decodeOutputStored = (value: unknown, where = 'answer'): OutputStored => {
  const reader = new Reader(value, where);
  return {
    nextSequence: reader.integer('nextSequence', 1),
    bytes: reader.integer('bytes'),
    hash: reader.text('hash', sha256),
  };
};

export const decodeOffer = (value: unknown, where = 'offer'): Offer => {
  const reader = new Reader(value, where);
  return {
    ...refFrom(reader),
    maxAttempts: reader.integer('maxAttempts'),
    claimed: reader.flag('claimed'),
    resumed: reader.flag('resumed'),
    name: reader.text('name', /^/),
    document: reader.raw('document'),
    documentHash: reader.text('documentHash', sha256),
    runTimeoutMs: reader.integer('runTimeoutMs'),
    remainingMs: reader.integer('remainingMs', Number.MIN_SAFE_INTEGER),
    killGraceMs: reader.integer('killGraceMs'),
    leaseMs: reader.integer('leaseMs', 1),
    ...(reader.raw('output') === undefined
      ? {}
      : { output: decodeOutputStored(reader.raw('output'), reader.at('output')) }),
    ...(reader.raw('traceparent') === undefined ? {} : { traceparent: reader.text('traceparent') }),
  };
};

export const decodePollAnswer = (value: unknown, where = 'answer'): PollAnswer => {
  const reader = new Reader(value, where);
  const offer = reader.raw('offer');
  return {
    offer: offer === null ? null : decodeOffer(offer, reader.at('offer')),
    cancel: [...reader.list('cancel', decodeRef)],
    drop: [...reader.list('drop', decodeRef)],
    pollAfterMs: reader.integer('pollAfterMs'),
  };
};

export const decodeRenewed = (value: unknown): Renewed => {
  const reader = new Reader(value, 'answer');
  return { leaseMs: reader.integer('leaseMs', 1), cancel: reader.flag('cancel') };
};

export const decodeStatusTaken = (value: unknown): StatusTaken => {
  const reader = new Reader(value, 'answer');
  const next = reader.raw('next');
  return {
    position: reader.text('position', position),
    repeated: reader.flag('repeated'),
    next: next === null ? null : decodePollAnswer(next, reader.at('next')),
  };
};

export const decodeEnrolled = (value: unknown): Enrolled => {
  const reader = new Reader(value, 'answer');
  return {
    agentId: reader.text('agentId', id),
    deviceId: reader.text('deviceId', id),
    credential: reader.text('credential'),
    leaseMs: reader.integer('leaseMs', 1),
    position: reader.text('position', position),
  };
};
