/** Passwords of the users of the embedded nats-server, made at the first start. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type BusUser, busUsers } from '@signalbox/contracts';
import type { ServiceName } from '../service-files.ts';
import { field } from './client.ts';

export type NatsPasswords = Readonly<Record<BusUser, string>>;

const read = async (file: string): Promise<unknown> => {
  if (!existsSync(file)) return {};
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    throw new Error(`expected passwords in ${file}, got a file that cannot be read; delete it for new ones`, {
      cause: error,
    });
  }
};

/** Reads `nats-users.json` of a state folder, readable by us only; a user without a password gets one. */
export const keptNatsPasswords = async (stateDir: string): Promise<NatsPasswords> => {
  const file = join(stateDir, 'nats-users.json');
  const kept = await read(file);
  const entries = busUsers.map((user) => {
    const password = field(kept, user);
    return [user, typeof password === 'string' ? password : `sbn_${randomBytes(24).toString('hex')}`];
  });
  const passwords = Object.fromEntries(entries) as NatsPasswords;
  await writeFile(`${file}.new`, `${JSON.stringify(passwords, null, 2)}\n`, { mode: 0o600 });
  await rename(`${file}.new`, file);
  return passwords;
};

/** Settings by which a service proves to NATS who it is. */
export const natsEnv = (
  passwords: NatsPasswords,
  service: ServiceName,
): Readonly<Record<string, string>> => ({
  SIGNALBOX_NATS_PASSWORD: passwords[service],
  ...(service === 'scheduler' ? { SIGNALBOX_RELAY_NATS_PASSWORD: passwords.relay } : {}),
});
