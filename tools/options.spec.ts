import { describe, expect, it } from '@jest/globals';
import { startOptions } from './options.ts';

const options = (...args: string[]) => startOptions(args, 4002);

describe('the flags of npm start', () => {
  it('speak to this machine only without --listen', () => {
    expect(options()).toEqual({ port: 4002, separate: false, withAgent: true, publicDoor: undefined });
  });

  it('open a door beyond it with TLS', () => {
    expect(options('--listen', '0.0.0.0').publicDoor).toMatchObject({ host: '0.0.0.0', port: 4443 });
    const own = ['--tls-cert', 'c.pem', '--tls-key', 'k.pem', '--tls-port', '8443', '--tls-name', 'box.lan'];
    expect(options('--listen', '::', ...own).publicDoor).toEqual({
      host: '::',
      port: 8443,
      name: 'box.lan',
      certFile: 'c.pem',
      keyFile: 'k.pem',
    });
  });

  it.each([
    [['--listen', '0.0.0.0', '--tls-cert', 'c.pem'], '--tls-cert and --tls-key together'],
    [['--tls-name', 'box.lan'], 'expected --listen with an address'],
    [['--tls-cert', 'c.pem', '--tls-key', 'k.pem'], 'expected --listen with an address'],
    [['--tls-port', '8443'], 'expected --listen with an address'],
    [['--listen', '0.0.0.0', '--tls-port', '70000'], 'expected --tls-port from 0 to 65535, got 70000'],
    [['--listen', 'box.lan'], 'expected --listen with an IP address'],
    [['--tls', 'x'], '--tls'],
  ])('refuse %j', (args, message) => {
    expect(() => options(...args)).toThrow(message);
  });
});
