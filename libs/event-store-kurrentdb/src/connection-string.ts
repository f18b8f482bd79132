import { existsSync, readFileSync } from 'node:fs';

/** Thrown for an address that cannot be used. Never holds the address: it may carry a password. */
export class AddressProblem extends Error {
  constructor(expected: string, got: string) {
    super(`expected ${expected}, got ${got}`);
    this.name = 'AddressProblem';
  }
}

interface Host {
  readonly address: string;
  readonly port: number;
}

/** Where a server or cluster is and how it is talked to. */
export interface Address {
  readonly hosts: readonly [Host, ...Host[]];
  /** The one host is a DNS name of a cluster. */
  readonly discover: boolean;
  readonly tls: boolean;
  readonly tlsCaFile: string | undefined;
  readonly credentials: { readonly username: string; readonly password: string } | undefined;
  /** Milliseconds after which one call is given up. */
  readonly deadlineMs: number;
  /** Milliseconds between keep-alive pings, and until an unanswered one ends the connection; -1 for no pings. */
  readonly keepAliveMs: number;
}

const form =
  'an address such as esdb://user:password@host:2113, with several hosts or esdb+discover:// for a cluster';
const shape = /^(?:esdb|kurrentdb|kdb)(\+discover)?:\/\/(?:([^@/?]+)@)?([^@/?]+)\/?(?:\?(.*))?$/;
const defaultPort = 2113;
const defaultMs = 10_000;
const options = ['tls', 'tlscafile', 'defaultdeadline', 'keepaliveinterval'];

const hostOf = (text: string): Host => {
  const [address = '', port = String(defaultPort), ...rest] = text.split(':');
  if (address === '' || rest.length > 0 || !/^\d{1,5}$/.test(port) || Number(port) > 65_535) {
    throw new AddressProblem('each host as name or name:port', 'another form');
  }
  return { address, port: Number(port) };
};

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new AddressProblem('user and password in percent-encoding', 'something that cannot be decoded');
  }
};

const credentialsOf = (text: string | undefined): Address['credentials'] => {
  if (text === undefined) return undefined;
  const at = text.indexOf(':');
  if (at < 1 || at === text.length - 1)
    throw new AddressProblem('user:password before the @', 'only one of them');
  return { username: decoded(text.slice(0, at)), password: decoded(text.slice(at + 1)) };
};

const optionsOf = (text: string): ReadonlyMap<string, string> => {
  const found = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(text)) {
    const key = name.toLowerCase().replace(/[-_]/g, '');
    if (!options.includes(key)) {
      throw new AddressProblem(
        'only the options tls, tlsCaFile, defaultDeadline, keepAliveInterval',
        'others',
      );
    }
    found.set(key, value);
  }
  return found;
};

const msOf = (text: string | undefined, name: string, least: number): number => {
  if (text === undefined) return defaultMs;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < least) {
    throw new AddressProblem(`${name} in whole milliseconds, at least ${least}`, 'another value');
  }
  return value;
};

/**
 * Reads the address of a KurrentDB: `esdb://user:password@host:port,host:port?tls=false&tlsCaFile=/ca.crt`. The schemes
 * `kurrentdb` and `kdb` mean the same. TLS is on unless `tls=false`.
 *
 * @throws AddressProblem the address cannot be used; the message does not hold it
 */
export const parseAddress = (text: string): Address => {
  const [, discover, user, hostText = '', query = ''] = shape.exec(text.trim()) ?? [];
  if (hostText === '') throw new AddressProblem(form, 'another form');
  const [first = '', ...others] = hostText.split(',');
  const hosts = [hostOf(first), ...others.map(hostOf)] as const;
  if (discover !== undefined && hosts.length > 1)
    throw new AddressProblem('one DNS name after +discover://', `${hosts.length} hosts`);
  const found = optionsOf(query);
  const tls = found.get('tls') ?? 'true';
  if (tls !== 'true' && tls !== 'false') throw new AddressProblem('tls=true or tls=false', 'another value');
  const credentials = credentialsOf(user);
  if (tls === 'false' && credentials !== undefined) {
    throw new AddressProblem(
      'no user and password with tls=false, since the client would not send them; use TLS or leave them out',
      'both',
    );
  }
  const tlsCaFile = found.get('tlscafile');
  if (tlsCaFile !== undefined && (tls === 'false' || !existsSync(tlsCaFile)))
    throw new AddressProblem('tlsCaFile to be a file, with TLS on', 'no such file or tls=false');
  return {
    hosts,
    discover: discover !== undefined,
    tls: tls === 'true',
    tlsCaFile,
    credentials,
    deadlineMs: msOf(found.get('defaultdeadline'), 'defaultDeadline', 1),
    keepAliveMs: msOf(found.get('keepaliveinterval'), 'keepAliveInterval', -1),
  };
};

/** The certificate of the authority that signed the server's; undefined for those the system knows. */
export const caOf = ({ tlsCaFile }: Address): Buffer | undefined =>
  tlsCaFile === undefined ? undefined : readFileSync(tlsCaFile);
