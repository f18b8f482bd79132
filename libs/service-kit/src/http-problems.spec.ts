import { expect, it } from '@jest/globals';
import { NotFoundException } from '@nestjs/common';
import { DomainError } from '@signalbox/contracts';
import { z } from 'zod';
import { domainErrorOf } from './http-problems.ts';

it('leaves a refusal as it is', () => {
  const refusal = new DomainError('attempt-ended', 'expected attempt 2, got 1');
  expect(domainErrorOf(refusal)).toBe(refusal);
});

it('names the fields that a schema refuses', () => {
  const parsed = z.object({ a: z.object({ b: z.int() }) }).safeParse({ a: { b: 'x' } });
  expect(domainErrorOf(parsed.error)).toMatchObject({ code: 'invalid-request', errors: [{ field: 'a.b' }] });
});

it('maps errors of Nest and of the HTTP server', () => {
  expect(domainErrorOf(new NotFoundException('Cannot GET /x')).code).toBe('not-found');
  const tooLarge = Object.assign(new Error('x'), { code: 'FST_ERR_CTP_BODY_TOO_LARGE', statusCode: 413 });
  expect(domainErrorOf(tooLarge).code).toBe('body-too-large');
});

it('tells nothing about an error that nobody foresaw', () => {
  const error = domainErrorOf(new Error('password=hunter2'));
  expect(error.code).toBe('internal');
  expect(error.message).not.toContain('hunter2');
});

it('tells an outage of a server behind us from a fault of ours', () => {
  const refused = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:5432'), { code: 'ECONNREFUSED' });
  const starting = Object.assign(new Error('the database system is starting up'), { code: '57P03' });
  for (const outage of [
    refused,
    starting,
    new Error('x', { cause: refused }),
    new Error('Query read timeout'),
  ]) {
    expect(domainErrorOf(outage)).toMatchObject({ code: 'unavailable', cause: outage });
  }
  const wrong = Object.assign(new Error('relation "x" does not exist'), { code: '42P01' });
  expect(domainErrorOf(wrong).code).toBe('internal');
});
