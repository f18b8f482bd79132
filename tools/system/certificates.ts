/** The certificate authority that Signalbox makes for its public door, and the server certificates that it signs. */
import 'reflect-metadata';
import { X509Certificate, createPrivateKey, randomBytes, webcrypto } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';

const day = 86_400_000;
const caLifeMs = 3_650 * day;
const serverLifeMs = 90 * day;
/** A server certificate is made anew when less than this is left of it. */
const renewBeforeMs = 30 * day;
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/** What a TLS server needs: certificate with its authority behind it, and key, in PEM. */
export interface ServerCertificate {
  readonly cert: string;
  readonly key: string;
}

x509.cryptoProvider.set(webcrypto);

/** SHA-256 of a certificate as the enrolment line carries it: `sha256:` and 64 hexadecimal digits. */
export const fingerprintOf = (pem: string): string =>
  `sha256:${new X509Certificate(pem).fingerprint256.replaceAll(':', '').toLowerCase()}`;

const writePrivate = async (file: string, text: string): Promise<void> => {
  await writeFile(`${file}.new`, text, { mode: 0o600 });
  await rename(`${file}.new`, file);
};

const exportKey = async (key: webcrypto.CryptoKey): Promise<string> =>
  x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY');

const importKey = (pem: string): Promise<webcrypto.CryptoKey> =>
  webcrypto.subtle.importKey('pkcs8', x509.PemConverter.decodeFirst(pem), algorithm, false, ['sign']);

const serialNumber = (): string => `01${randomBytes(15).toString('hex')}`;

const keyPair = (): Promise<webcrypto.CryptoKeyPair> =>
  webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);

const makeAuthority = async (folder: string, nowMs: number): Promise<void> => {
  const keys = await keyPair();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: `CN=Signalbox CA ${randomBytes(4).toString('hex')}`,
    notBefore: new Date(nowMs - day),
    notAfter: new Date(nowMs + caLifeMs),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  await writePrivate(join(folder, 'ca.key'), await exportKey(keys.privateKey));
  await writePrivate(join(folder, 'ca.pem'), `${certificate.toString('pem')}\n`);
};

const makeServer = async (folder: string, ca: string, names: readonly string[], nowMs: number) => {
  const keys = await keyPair();
  const issuer = new x509.X509Certificate(ca);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: 'CN=Signalbox',
    issuer: issuer.subject,
    notBefore: new Date(nowMs - day),
    notAfter: new Date(nowMs + serverLifeMs),
    signingAlgorithm: algorithm,
    publicKey: keys.publicKey,
    signingKey: await importKey(await readFile(join(folder, 'ca.key'), 'utf8')),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        names.map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value })),
      ),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  });
  await writePrivate(join(folder, 'server.key'), await exportKey(keys.privateKey));
  await writePrivate(join(folder, 'server.pem'), `${certificate.toString('pem')}\n`);
};

const covers = (certificate: X509Certificate, name: string): boolean =>
  (isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name)) !== undefined;

const isGood = async (folder: string, ca: string, names: readonly string[], nowMs: number) => {
  const file = join(folder, 'server.pem');
  const keyFile = join(folder, 'server.key');
  if (!existsSync(file) || !existsSync(keyFile)) return false;
  const certificate = new X509Certificate(await readFile(file));
  return (
    // They are two files: a crash between their writings leaves two that do not belong together.
    certificate.checkPrivateKey(createPrivateKey(await readFile(keyFile))) &&
    certificate.verify(new X509Certificate(ca).publicKey) &&
    Date.parse(certificate.validTo) - nowMs > renewBeforeMs &&
    names.every((name) => covers(certificate, name))
  );
};

/** The authority in a folder; made, with a key that only we can read, when there is none. */
export const ownAuthority = async (folder: string, nowMs: number): Promise<string> => {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if (!existsSync(join(folder, 'ca.pem'))) await makeAuthority(folder, nowMs);
  return readFile(join(folder, 'ca.pem'), 'utf8');
};

/**
 * A server certificate for these names and addresses, signed by the folder's authority. The one that is there is kept until
 * 30 days before its end, or until a name is asked for that it does not have; the authority stays.
 */
export const ownCertificate = async (
  folder: string,
  names: readonly string[],
  nowMs: number,
): Promise<ServerCertificate> => {
  const ca = await ownAuthority(folder, nowMs);
  if (!(await isGood(folder, ca, names, nowMs))) await makeServer(folder, ca, names, nowMs);
  const [cert, key] = await Promise.all([
    readFile(join(folder, 'server.pem'), 'utf8'),
    readFile(join(folder, 'server.key'), 'utf8'),
  ]);
  return { cert: `${cert}${ca}`, key };
};
