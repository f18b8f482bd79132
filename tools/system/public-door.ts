/** The door beyond this machine: TLS with the operator's certificate, or with one that our own authority signs. */
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { freePort } from '@signalbox/embedded';
import { type ServerCertificate, fingerprintOf, ownAuthority, ownCertificate } from './certificates.ts';

export interface PublicDoorOptions {
  /** Address to listen on; `0.0.0.0` and `::` are every interface. */
  readonly host: string;
  /** Port; 0 is a free one. */
  readonly port: number;
  /** Name by which devices know this machine; default: the address, or the first one of this machine. */
  readonly name?: string | undefined;
  /** The operator's certificate with its chain, and its key, in PEM; without them Signalbox makes its own. */
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  /** How often the certificate is looked at, in milliseconds; default: a minute. */
  readonly checkMs?: number | undefined;
}

export interface PublicDoor {
  readonly host: string;
  readonly port: number;
  /** Address for devices. */
  readonly url: string;
  /** Of the authority that devices pin; undefined with the operator's certificate. */
  readonly caFingerprint: string | undefined;
  /** File in PEM with the certificate, for the checks to say when it ends. */
  readonly certificateFile: string;
  /** How often to ask for the certificate, in milliseconds. */
  readonly checkMs: number;
  /** The certificate to show now: read or made anew when its time has come. */
  certificate(): Promise<ServerCertificate>;
}

/** Addresses of this machine that others can reach. */
const ownAddresses = (): string[] =>
  Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .filter(({ internal, scopeid }) => !internal && (scopeid ?? 0) === 0)
    .map(({ address }) => address);

const isEvery = (host: string): boolean => host === '0.0.0.0' || host === '::';

const requirePair = (cert: string, key: string): void => {
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    const got = error instanceof Error ? error.message : String(error);
    throw new Error(`expected --tls-key with the key of --tls-cert, both in PEM, got: ${got}`, {
      cause: error,
    });
  }
};

/** Decides address, names and certificate; nothing listens yet. @throws Error a file of the operator cannot be used */
export const preparePublicDoor = async (
  stateDir: string,
  { host, port: wanted, name, certFile, keyFile, checkMs = 60_000 }: PublicDoorOptions,
): Promise<PublicDoor> => {
  const port = wanted === 0 ? await freePort() : wanted;
  const addresses = isEvery(host) ? ownAddresses() : [host];
  const shown = name ?? addresses[0] ?? hostname();
  const url = `https://${isIP(shown) === 6 ? `[${shown}]` : shown}:${port}`;
  if (certFile !== undefined && keyFile !== undefined) {
    const certificate = async (): Promise<ServerCertificate> => {
      const [cert, key] = await Promise.all([readFile(certFile, 'utf8'), readFile(keyFile, 'utf8')]);
      requirePair(cert, key);
      return { cert, key };
    };
    await certificate();
    return {
      host,
      port,
      url,
      caFingerprint: undefined,
      certificateFile: certFile,
      checkMs,
      certificate,
    };
  }
  const folder = join(stateDir, 'tls');
  const names = [...new Set([shown, ...addresses, hostname(), 'localhost', '127.0.0.1'])];
  const caFingerprint = fingerprintOf(await ownAuthority(folder, Date.now()));
  const certificate = (): Promise<ServerCertificate> => ownCertificate(folder, names, Date.now());
  const certificateFile = join(folder, 'server.pem');
  return { host, port, url, caFingerprint, certificateFile, checkMs, certificate };
};
