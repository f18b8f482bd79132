import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { callerAddress, networkOf } from './caller-address.ts';

const from = (peer: string, forwarded?: string): IncomingMessage => {
  const socket = new Socket();
  Object.defineProperty(socket, 'remoteAddress', { value: peer });
  const request = new IncomingMessage(socket);
  if (forwarded !== undefined) request.headers['x-forwarded-for'] = forwarded;
  return request;
};

describe('the address of a caller', () => {
  it.each([
    ['no proxy is trusted', [], '192.0.2.1', '198.51.100.7', '192.0.2.1'],
    ['another one is trusted', ['10.0.0.0/8'], '192.0.2.1', '198.51.100.7', '192.0.2.1'],
    ['the proxy is trusted', ['192.0.2.1'], '192.0.2.1', '198.51.100.7', '198.51.100.7'],
    ['it is in a trusted range', ['192.0.2.0/24'], '192.0.2.9', '198.51.100.7', '198.51.100.7'],
    ['it is on this machine', ['loopback'], '::ffff:127.0.0.1', '198.51.100.7', '198.51.100.7'],
    ['it says nothing', ['loopback'], '127.0.0.1', undefined, '127.0.0.1'],
    ['the caller wrote addresses, too', ['10.0.0.1'], '10.0.0.1', '1.1.1.1, 198.51.100.7', '198.51.100.7'],
    ['two proxies are trusted', ['10.0.0.0/8'], '10.0.0.1', '198.51.100.7, 10.0.0.2', '198.51.100.7'],
  ])('when %s', (_when, trusted, peer, forwarded, address) => {
    expect(callerAddress(trusted)(from(peer, forwarded))).toBe(address);
  });
});

describe('one caller', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0db8:0001:0002::1', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ])('at %s is known as %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});
