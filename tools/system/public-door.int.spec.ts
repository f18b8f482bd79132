import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type Server, createServer } from 'node:http';
import { request } from 'node:https';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import type { TLSSocket } from 'node:tls';
import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { eventually } from '@signalbox/testkit';
import { type ServerCertificate, fingerprintOf, ownAuthority, ownCertificate } from './certificates.ts';
import { type PublicDoor, type PublicDoorOptions, preparePublicDoor } from './public-door.ts';
import { type Router, startRouter } from './router.ts';

let folder: string;
let service: Server;
let router: Router | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'signalbox-test-'));
  service = createServer((asked, answer) =>
    answer.end(JSON.stringify({ from: asked.headers['x-forwarded-for'] })),
  );
  service.listen(0, '127.0.0.1');
  await once(service, 'listening');
});

afterEach(async () => {
  await router?.stop();
  router = undefined;
  const closed = once(service, 'close');
  service.close();
  service.closeAllConnections();
  await closed;
  await rm(folder, { recursive: true, force: true });
});

const open = async (options: PublicDoorOptions): Promise<PublicDoor> => {
  const address = service.address();
  if (typeof address !== 'object' || address === null) throw new Error('expected a port, got none');
  const url = `http://127.0.0.1:${address.port}`;
  const door = await preparePublicDoor(join(folder, 'state'), options);
  router = await startRouter(0, { api: [url], gateway: [url] }, door);
  return door;
};

/** What the service hears of a request through the door, and which certificate was shown for it. */
const ask = async (url: string, ca: string) => {
  const asked = request(`${url}/api/v1/me`, {
    ca,
    agent: false,
    headers: { 'x-forwarded-for': '203.0.113.7' },
  });
  asked.end();
  const [answer] = await once(asked, 'response');
  const socket: TLSSocket = answer.socket;
  const shown = socket.getPeerCertificate().fingerprint256.replaceAll(':', '').toLowerCase();
  return { heard: await json(answer), shown: `sha256:${shown}` };
};

/** The operator's certificate: from an authority that is not Signalbox's own. */
const operators = async (name: string) => {
  const authority = join(folder, name);
  const made = await ownCertificate(authority, ['127.0.0.1'], Date.now());
  return { ...made, ca: await ownAuthority(authority, Date.now()), fingerprint: fingerprintOf(made.cert) };
};

const put = async ({ cert, key }: ServerCertificate) => {
  const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  await Promise.all([writeFile(certFile, cert), writeFile(keyFile, key)]);
  return { certFile, keyFile };
};

it('shows the operator’s certificate and pins no authority', async () => {
  const certificate = await operators('first');
  const door = await open({ host: '127.0.0.1', port: 0, ...(await put(certificate)) });
  expect(door.caFingerprint).toBeUndefined();
  const { shown, heard } = await ask(door.url, certificate.ca);
  expect(shown).toBe(certificate.fingerprint);
  expect(heard).toEqual({ from: '127.0.0.1' });
});

it('shows a new certificate without a restart, and the old one while the new is damaged', async () => {
  const errors = jest.spyOn(console, 'error').mockImplementation(() => undefined);
  const [first, second] = [await operators('first'), await operators('second')];
  const door = await open({ host: '127.0.0.1', port: 0, checkMs: 50, ...(await put(first)) });
  await put({ cert: second.cert, key: first.key });
  await eventually(() => errors.mock.calls.length > 0, { timeoutMs: 5_000 });
  expect(JSON.stringify(errors.mock.calls)).not.toContain('PRIVATE KEY');
  expect((await ask(door.url, first.ca)).shown).toBe(first.fingerprint);
  await put(second);
  await eventually(
    async () => {
      const answer = await ask(door.url, second.ca).catch(() => undefined);
      return answer?.shown === second.fingerprint;
    },
    { timeoutMs: 5_000 },
  );
  await expect(ask(door.url, first.ca)).rejects.toThrow('certificate');
  errors.mockRestore();
});

it('does not start with a certificate and a key that do not belong together', async () => {
  const [first, second] = [await operators('first'), await operators('second')];
  const files = await put({ cert: first.cert, key: second.key });
  await expect(open({ host: '127.0.0.1', port: 0, ...files })).rejects.toThrow('--tls-key');
  await expect(
    open({ host: '127.0.0.1', port: 0, certFile: join(folder, 'none.pem'), keyFile: files.keyFile }),
  ).rejects.toThrow('none.pem');
});

const outside = Object.values(networkInterfaces())
  .flatMap((each) => each ?? [])
  .find(({ internal, family }) => !internal && family === 'IPv4')?.address;
const why = 'this machine has no address besides its own loopback';
if (outside === undefined) process.stderr.write(`SKIPPED: a door for others: ${why}\n`);
const itOutside = outside === undefined ? it.skip : it;

itOutside(
  `${outside === undefined ? `SKIPPED: ${why}: ` : ''}answers at the machine’s address with its own authority`,
  async () => {
    const door = await open({ host: '0.0.0.0', port: 0 });
    expect(new URL(door.url).hostname).not.toBe('0.0.0.0');
    const ca = await ownAuthority(join(folder, 'state', 'tls'), Date.now());
    expect(door.caFingerprint).toBe(fingerprintOf(ca));
    const { heard } = await ask(`https://${outside}:${door.port}`, ca);
    expect(heard).toEqual({ from: outside });
  },
);
