import { describe, expect, it } from '@jest/globals';
import { AddressProblem, parseAddress } from './connection-string.ts';

describe('address of a KurrentDB', () => {
  it('has TLS and the standard port unless told otherwise', () => {
    expect(parseAddress('esdb://db.example')).toEqual({
      hosts: [{ address: 'db.example', port: 2113 }],
      discover: false,
      tls: true,
      tlsCaFile: undefined,
      credentials: undefined,
      deadlineMs: 10_000,
      keepAliveMs: 10_000,
    });
  });

  it('names several hosts, a user, a certificate and times', () => {
    const text = `kurrentdb://admin:p%40ss%3A@a:1,b:2/?tlsCaFile=${import.meta.filename}&defaultDeadline=500&keepAliveInterval=-1`;
    expect(parseAddress(text)).toMatchObject({
      hosts: [
        { address: 'a', port: 1 },
        { address: 'b', port: 2 },
      ],
      tlsCaFile: import.meta.filename,
      credentials: { username: 'admin', password: 'p@ss:' },
      deadlineMs: 500,
      keepAliveMs: -1,
    });
    expect(parseAddress('esdb+discover://cluster.example:2113?tls=false')).toMatchObject({
      discover: true,
      tls: false,
    });
  });

  it.each([
    ['another scheme', 'http://sesame@host'],
    ['no host', 'esdb://'],
    ['a port that is none', 'esdb://host:sesame'],
    ['a user without a password', 'esdb://sesame@host'],
    ['a password that cannot be decoded', 'esdb://u:sesame%@host'],
    ['a password that would not be sent', 'esdb://u:sesame@host?tls=false'],
    ['an option nobody knows', 'esdb://host?password=sesame'],
    ['a word for TLS that is neither', 'esdb://host?tls=sesame'],
    ['a certificate that is not there', 'esdb://host?tlsCaFile=/sesame'],
    ['a deadline that is no number', 'esdb://host?defaultDeadline=sesame'],
    ['two names of a cluster', 'esdb+discover://sesame,b'],
  ])('with %s is refused, and not shown', (_, text) => {
    expect(() => parseAddress(text)).toThrow(AddressProblem);
    expect(() => parseAddress(text)).not.toThrow('sesame');
  });
});
