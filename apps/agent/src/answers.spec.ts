import { describe, expect, it } from '@jest/globals';
import {
  Enrolled,
  Offer,
  OutputStored,
  PollAnswer,
  Renewed,
  StatusTaken,
  agentPrefix as contractPrefix,
  limits,
} from '@signalbox/contracts';
import {
  UnexpectedAnswer,
  decodeEnrolled,
  decodeOffer,
  decodeOutputStored,
  decodePollAnswer,
  decodeRenewed,
  decodeStatusTaken,
} from './answers.ts';
import { agentPrefix, attemptKey, wireLimits } from './wire.ts';

const position = '0000000000000042';
const ref = { jobId: '0198a0f4-5a8e-7c0e-9d5b-3f6d0a4c1b2e', targetId: 'device-1', attempt: 2 };
const offer = {
  ...ref,
  maxAttempts: 3,
  claimed: true,
  resumed: true,
  output: { nextSequence: 5, bytes: 10, hash: 'b'.repeat(64) },
  name: 'restart',
  document: { version: '1.0', steps: [{ name: 's', type: 'runShell', input: { command: 'ls' } }] },
  documentHash: 'a'.repeat(64),
  runTimeoutMs: 1000,
  remainingMs: 900,
  killGraceMs: 0,
  leaseMs: 60_000,
  traceparent: '00-aa-bb-01',
};
const answer = { offer, cancel: [ref], drop: [], pollAfterMs: 0 };

const cases = [
  ['offer', Offer, decodeOffer, offer],
  ['poll answer', PollAnswer, decodePollAnswer, answer],
  ['empty poll answer', PollAnswer, decodePollAnswer, { ...answer, offer: null, cancel: [] }],
  ['renewed', Renewed, decodeRenewed, { leaseMs: 1000, cancel: true }],
  ['output stored', OutputStored, decodeOutputStored, { nextSequence: 5, bytes: 10, hash: 'b'.repeat(64) }],
  ['status taken', StatusTaken, decodeStatusTaken, { position, repeated: false, next: answer }],
  ['status taken alone', StatusTaken, decodeStatusTaken, { position, repeated: true, next: null }],
  [
    'enrolled',
    Enrolled,
    decodeEnrolled,
    { agentId: 'a', deviceId: 'd', credential: 'c'.repeat(43), leaseMs: 60_000, position },
  ],
] as const;

/** The value without one of its fields, and with the field of another type, for every field. */
const damaged = (value: Readonly<Record<string, unknown>>): readonly Record<string, unknown>[] =>
  Object.keys(value).flatMap((key) => {
    const { [key]: _, ...without } = value;
    return [without, { ...value, [key]: Symbol.for('wrong') }];
  });

describe('answers of the server', () => {
  it.each(cases)('reads %s as the contracts do', (_, schema, decode, value) => {
    expect(decode(value)).toEqual(schema.parse(value));
    expect(decode({ ...value, added: 'later' })).toEqual(schema.parse(value));
  });

  it.each(cases)('refuses a damaged %s wherever the contracts do', (_, schema, decode, value) => {
    for (const wrong of damaged(value)) {
      // The document is the one field that is read later, so that a newer one is refused by name.
      if (schema.safeParse(wrong).success || ('document' in value && wrong.document !== value.document))
        continue;
      expect(() => decode(wrong)).toThrow(UnexpectedAnswer);
    }
    expect(() => decode(null)).toThrow('expected an object, got null');
  });

  it('leaves a document that it does not know to who runs it', () => {
    const newer = { ...offer, document: { version: '9.0', flow: [] } };
    expect(decodeOffer(newer).document).toEqual({ version: '9.0', flow: [] });
  });

  it('keeps to the prefix and the limits of the contracts', () => {
    expect(agentPrefix).toBe(contractPrefix);
    const { outputChunks, pollWaitMs, requestBodyBytes, traceMs } = limits;
    const own = { reasonMessage: 1024, stepName: 128 };
    expect(wireLimits).toEqual({ outputChunks, pollWaitMs, requestBodyBytes, traceMs, ...own });
  });

  it('names an attempt in one way only', () => {
    expect(attemptKey(ref)).toBe(`${ref.jobId}.device-1.2`);
  });
});
