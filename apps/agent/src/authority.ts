import { X509Certificate } from 'node:crypto';
import { createRequire } from 'node:module';
import { isIP } from 'node:net';
import type Tls from 'node:tls';
import { retryDelayMs } from './gateway.ts';
import { Unreachable } from './http-client.ts';
import { errorText, type Log } from './log.ts';
import { pause } from './pause.ts';
import { authorityPath, readState, writeState } from './state-files.ts';

const load = createRequire(import.meta.url);

/** The server showed no certificate authority with the fingerprint that this machine was given. */
export class AuthorityRefused extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'AuthorityRefused';
  }
}

const answerMs = 15_000;

/** Fingerprints of a certificate and of all that were sent with it, with their texts in PEM. */
const chainOf = (socket: Tls.TLSSocket): ReadonlyMap<string, string> => {
  const chain = new Map<string, string>();
  let certificate: Tls.DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  while (certificate?.fingerprint256 !== undefined) {
    const fingerprint = `sha256:${certificate.fingerprint256.replaceAll(':', '').toLowerCase()}`;
    if (chain.has(fingerprint)) break;
    chain.set(fingerprint, new X509Certificate(certificate.raw).toString());
    certificate = certificate.issuerCertificate;
  }
  return chain;
};

/** Asks a server for its certificates, trusting none of them, and sends nothing. @throws Unreachable */
const askForChain = (server: URL): Promise<ReadonlyMap<string, string>> => {
  const tls: typeof Tls = load('node:tls');
  return new Promise((resolve, reject) => {
    const host = server.hostname.replace(/^\[|\]$/g, '');
    const socket = tls.connect({
      host,
      port: Number(server.port || 443),
      rejectUnauthorized: false,
      // A proxy that routes by name shows another certificate to who names none.
      ...(isIP(host) === 0 ? { servername: host } : {}),
    });
    socket.setTimeout(answerMs, () => socket.destroy(new Error(`expected an answer within ${answerMs} ms`)));
    socket.once('error', (error) => reject(new Unreachable('asking for certificates: no answer', error)));
    socket.once('secureConnect', () => {
      resolve(chainOf(socket));
      socket.destroy();
    });
  });
};

/**
 * The certificate authority with this fingerprint, as the server shows it. What an attacker shows has another fingerprint.
 *
 * @throws AuthorityRefused, Unreachable
 */
export const fetchAuthority = async (server: URL, fingerprint: string): Promise<string> => {
  const chain = await askForChain(server);
  const found = chain.get(fingerprint);
  if (found !== undefined) return found;
  throw new AuthorityRefused(
    `expected a certificate authority with fingerprint ${fingerprint} from ${server.origin}, got ${[...chain.keys()].join(', ') || 'no certificate'}; ` +
      'nothing was sent. Compare the fingerprint with the one of the enrolment line: if they are equal, somebody stands between this machine and the server',
  );
};

/**
 * The authority that this machine trusts: the one it has pinned, or the one with the given fingerprint, which it pins. Null
 * without either: the system's authorities count. While the server is away it tries again, until the signal fires.
 *
 * @throws AuthorityRefused
 */
export const pinnedAuthority = async (from: {
  readonly stateDir: string;
  readonly server: URL;
  readonly fingerprint: string | null;
  readonly giveUp: AbortSignal;
  readonly log: Log;
}): Promise<string | null> => {
  const { stateDir, server, fingerprint, giveUp, log } = from;
  const kept = readState(authorityPath(stateDir));
  const keptPem = typeof kept?.pem === 'string' ? kept.pem : null;
  if (server.protocol !== 'https:' || fingerprint === null || kept?.fingerprint === fingerprint)
    return keptPem;
  for (let failures = 1; !giveUp.aborted; failures += 1) {
    try {
      const pem = await fetchAuthority(server, fingerprint);
      writeState(authorityPath(stateDir), { fingerprint, pem }, true);
      log.info('certificate authority pinned', { fingerprint });
      return pem;
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      log.warn('no certificate authority yet', { failures, error: errorText(error) });
      await pause(retryDelayMs(error, failures), giveUp);
    }
  }
  return keptPem;
};
