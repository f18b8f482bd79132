import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { certificateLook } from './index.ts';
import { runAll } from './run.ts';

/** Of nobody: it was signed with a key that was thrown away. */
const certificate = `-----BEGIN CERTIFICATE-----
MIIBjjCCATOgAwIBAgIUb4AU2LcLIw95gR0a0NUwAo5wW0IwCgYIKoZIzj0EAwIw
HDEaMBgGA1UEAwwRc2lnbmFsYm94LmV4YW1wbGUwHhcNMjYxMTIyMDMyNjA0WhcN
MjcxMTIyMDMyNjA0WjAcMRowGAYDVQQDDBFzaWduYWxib3guZXhhbXBsZTBZMBMG
ByqGSM49AgEGCCqGSM49AwEHA0IABPj5PxPYvFGSFzsVbozhfQwY8dscmbjElUdZ
yrcM3ptlFv+c0pUSn+V5q6Kyu/FO0rvGR9HE53Dto0MlGI+7aWqjUzBRMB0GA1Ud
DgQWBBRg7oqKBI8rxApKCMF0iK35eu6t5DAfBgNVHSMEGDAWgBRg7oqKBI8rxApK
CMF0iK35eu6t5DAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0kAMEYCIQDx
0h/Jv00RjLxi12IKme9e3pqlFUcomYt1Baj1U2dSNgIhAJTbFcFqHLpP/b2zrZB0
jJwl8cMPfBX20Hmhra7ziwFf
-----END CERTIFICATE-----
`;
const ends = Date.parse('2027-11-22T03:26:04Z');
const day = 86_400_000;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'signalbox-certificate-'));
  await writeFile(join(folder, 'door.pem'), certificate);
});
afterAll(() => rm(folder, { recursive: true }));

describe('the certificate of the public door', () => {
  it.each([
    [31, 'ok'],
    [29, 'warn'],
    [6, 'fail'],
    [-1, 'fail'],
  ])('%i days before its end: %s', async (days, status) => {
    const look = certificateLook(join(folder, 'door.pem'), () => ends - days * day);
    const [found] = await runAll([look]);
    expect(found).toMatchObject({ id: 'certificate', status });
    expect(found?.found).toContain(`(${days} days)`);
    expect(found?.advice).toContain(status === 'ok' ? '' : 'Renew');
  });

  it('cannot be read', async () => {
    const [found] = await runAll([certificateLook(join(folder, 'none.pem'), () => 0)]);
    expect(found).toMatchObject({ status: 'unknown', found: expect.stringContaining('no such file') });
  });
});
