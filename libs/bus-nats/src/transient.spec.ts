import { describe, expect, it } from '@jest/globals';
import { isTransient } from './transient.ts';

const withCode = (code: string): Error => Object.assign(new Error('x'), { code });

describe('an error speaks of the surroundings', () => {
  it.each(['ECONNREFUSED', '08006', '25006', '40001', '53300', '55P03', '57P01', '58030'])('%s', (code) => {
    expect(isTransient(new Error('outer', { cause: withCode(code) }))).toBe(true);
  });

  it('a query that took too long for the client', () => {
    expect(isTransient(new Error('Query read timeout'))).toBe(true);
  });

  it.each(['23505', '25P02', '22P02', 'ERR_ASSERTION'])('but not %s', (code) => {
    expect(isTransient(withCode(code))).toBe(false);
  });
});
