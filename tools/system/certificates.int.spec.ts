import { X509Certificate, createPrivateKey } from 'node:crypto';
import { copyFile, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { fingerprintOf, ownAuthority, ownCertificate } from './certificates.ts';

const day = 86_400_000;
const start = Date.parse('2026-01-31T12:00:00.000Z');
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'signalbox-test-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

it('keeps the authority and the certificate, keys readable by the owner only', async () => {
  const first = await ownCertificate(folder, ['localhost', '127.0.0.1'], start);
  expect(await ownCertificate(folder, ['localhost'], start + 59 * day)).toEqual(first);
  for (const name of ['ca.key', 'server.key'])
    expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600);
});

it('makes the certificate anew before its end, and leaves the authority', async () => {
  const first = await ownCertificate(folder, ['localhost'], start);
  const authority = fingerprintOf(await ownAuthority(folder, start));
  const second = await ownCertificate(folder, ['localhost'], start + 61 * day);
  expect(second.cert).not.toBe(first.cert);
  expect(Date.parse(new X509Certificate(second.cert).validTo)).toBeGreaterThan(start + 150 * day);
  const ca = await readFile(join(folder, 'ca.pem'), 'utf8');
  expect(fingerprintOf(ca)).toBe(authority);
  expect(new X509Certificate(second.cert).verify(new X509Certificate(ca).publicKey)).toBe(true);
});

it('makes the certificate anew for an address that it does not have', async () => {
  await ownCertificate(folder, ['localhost'], start);
  const second = new X509Certificate((await ownCertificate(folder, ['localhost', '10.1.2.3'], start)).cert);
  expect(second.checkIP('10.1.2.3')).toBe('10.1.2.3');
  expect(second.checkHost('elsewhere')).toBeUndefined();
});

it('makes both anew when a crash has left a certificate and the key of another one', async () => {
  await ownCertificate(folder, ['localhost'], start);
  await copyFile(join(folder, 'ca.key'), join(folder, 'server.key'));
  const { cert, key } = await ownCertificate(folder, ['localhost'], start);
  expect(new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))).toBe(true);
});
