/** Flags of the programs in this folder. */
import { isIP } from 'node:net';
import { parseArgs } from 'node:util';
import type { PublicDoorOptions } from './system/public-door.ts';

export interface StartOptions {
  readonly port: number;
  readonly separate: boolean;
  readonly withAgent: boolean;
  /** The door beyond this machine; undefined: this machine only. */
  readonly publicDoor: PublicDoorOptions | undefined;
}

const standardTlsPort = 4443;

const portOf = (flag: string, text: string): number => {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new Error(`expected ${flag} from 0 to 65535, got ${text}`);
  return port;
};

/** @throws Error that names the flag and what was expected */
export const startOptions = (args: readonly string[], standardPort: number): StartOptions => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      port: { type: 'string', default: String(standardPort) },
      separate: { type: 'boolean', default: false },
      'no-agent': { type: 'boolean', default: false },
      listen: { type: 'string' },
      'tls-port': { type: 'string' },
      'tls-name': { type: 'string' },
      'tls-cert': { type: 'string' },
      'tls-key': { type: 'string' },
    },
  });
  const {
    listen,
    'tls-cert': certFile,
    'tls-key': keyFile,
    'tls-name': name,
    'tls-port': tlsPortText,
  } = values;
  if (listen === undefined && (certFile ?? keyFile ?? name ?? tlsPortText) !== undefined)
    throw new Error('expected --listen with an address, such as 0.0.0.0, where TLS is spoken, got none');
  if (listen !== undefined && isIP(listen) === 0)
    throw new Error(
      `expected --listen with an IP address, such as 0.0.0.0, got ${listen}; --tls-name gives the name`,
    );
  if ((certFile === undefined) !== (keyFile === undefined))
    throw new Error('expected --tls-cert and --tls-key together, got one of them');
  const tlsPort = portOf('--tls-port', tlsPortText ?? String(standardTlsPort));
  const publicDoor =
    listen === undefined ? undefined : { host: listen, port: tlsPort, name, certFile, keyFile };
  const port = portOf('--port', values.port);
  return { port, separate: values.separate, withAgent: !values['no-agent'], publicDoor };
};
