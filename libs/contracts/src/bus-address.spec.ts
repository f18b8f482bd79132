import { describe, expect, it } from '@jest/globals';
import { parseBusAddress } from './bus-address.ts';

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
    expect(parseBusAddress(url)).toEqual(address);
  });

  it('is refused without the text, which may hold a password', () => {
    expect(() => parseBusAddress('nats://u:secret@')).toThrow('expected NATS addresses');
    expect(() => parseBusAddress('nats://u:secret@')).not.toThrow('secret');
  });
});
