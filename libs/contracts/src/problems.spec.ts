import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { DomainError, Problem, parseRequest, problemOf, problemStatus } from './problems.ts';

const schema = z.strictObject({ name: z.string().min(1), nested: z.object({ list: z.array(z.int()) }) });

const refusal = (value: unknown, prefix?: string): DomainError => {
  try {
    parseRequest(schema, value, prefix);
  } catch (error) {
    if (error instanceof DomainError) return error;
    throw error;
  }
  throw new Error('expected a refusal, got none');
};

describe('parseRequest', () => {
  it('answers the typed value', () => {
    expect(parseRequest(schema, { name: 'a', nested: { list: [1] } })).toEqual({
      name: 'a',
      nested: { list: [1] },
    });
  });

  it('names every wrong field with its path, not only the first', () => {
    const { code, errors, message } = refusal({ name: '', nested: { list: [1, 'x'] }, nmae: 1, x: 2 });
    expect(code).toBe('invalid-request');
    expect(errors.map((each) => each.field)).toEqual(['name', 'nested.list.1', '(body)']);
    expect(errors[2]?.message).toBe('unknown fields "nmae", "x"; remove or correct the spelling');
    expect(message).toMatch(/^expected a valid request, got 3 problems: name: /);
  });

  it('puts the part of the request before the field', () => {
    expect(refusal({ name: 'a' }, 'query').errors.map((each) => each.field)).toEqual(['query.nested']);
    expect(refusal('text', 'query').errors.map((each) => each.field)).toEqual(['query']);
    expect(refusal('text').errors.map((each) => each.field)).toEqual(['(body)']);
  });

  it('repeats no value that it refused', () => {
    expect(refusal({ name: { secret: 'hunter2' }, nested: { list: ['hunter2'] } }).message).not.toContain(
      'hunter2',
    );
  });
});

describe('problemOf', () => {
  it('is problem details with the status of the code', () => {
    const error = new DomainError('output-gap', 'expected 3, got 5', {
      errors: [{ field: 'a', message: 'b' }],
      expected: { nextSequence: 3 },
    });
    expect(Problem.parse(problemOf(error, 'trace-1'))).toEqual({
      type: 'urn:signalbox:problem:output-gap',
      title: 'output gap',
      status: 409,
      code: 'output-gap',
      detail: 'expected 3, got 5',
      errors: [{ field: 'a', message: 'b' }],
      expected: { nextSequence: 3 },
      traceId: 'trace-1',
    });
    expect(Object.keys(problemOf(new DomainError('internal', 'x')))).toEqual([
      'type',
      'title',
      'status',
      'code',
      'detail',
    ]);
  });

  it('answers every code with an error status', () => {
    for (const [code, status] of Object.entries(problemStatus)) {
      expect(code).toMatch(/^[a-z]+(-[a-z]+)*$/);
      expect(status).toBeGreaterThanOrEqual(400);
      expect(status).toBeLessThan(600);
    }
  });
});
