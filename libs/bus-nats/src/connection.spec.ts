import { describe, expect, it } from '@jest/globals';
import { parseAddress } from './connection.ts';

describe('address of the bus', () => {
  it.each([
    ['nats://127.0.0.1:4222', { servers: ['127.0.0.1:4222'] }],
    ['127.0.0.1:4222', { servers: ['127.0.0.1:4222'] }],
    [
      'nats://relay:a%40b@one:4222, nats://two:4223',
      { servers: ['one:4222', 'two:4223'], user: 'relay', pass: 'a@b' },
    ],
    ['tls://nats.example:4222', { servers: ['nats.example:4222'], tls: {} }],
  ])('%s', (url, address) => {
    expect(parseAddress(url)).toEqual(address);
  });

  it('is refused without the text, which may hold a password', () => {
    expect(() => parseAddress('nats://u:secret@')).toThrow('expected NATS addresses');
    expect(() => parseAddress('nats://u:secret@')).not.toThrow('secret');
  });
});
