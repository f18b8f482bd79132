/**
 * Makes the secrets of this installation at its first start, and lays into each container's volume what that container needs
 * and nothing else, readable by its user only. Harmless to repeat.
 */
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, existsSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';

const services = 1000;
const postgres = 999;
const root = 0;

/** Writes a file that only `owner` can read, whole or not at all. */
const put = (volume, name, owner, text) => {
  const path = `/volumes/${volume}/${name}`;
  writeFileSync(`${path}.new`, text, { mode: 0o400 });
  chownSync(`${path}.new`, owner, owner);
  renameSync(`${path}.new`, path);
};

/** A secret that stays as it is once it was made. */
const kept = (name, prefix = '') => {
  const path = `/volumes/secrets/${name}`;
  if (!existsSync(path)) put('secrets', name, root, `${prefix}${randomBytes(32).toString('base64url')}`);
  return readFileSync(path, 'utf8');
};

/** Gives a volume to the user who reads or writes it. */
const own = (volume, owner) => {
  const path = `/volumes/${volume}`;
  if (statSync(path).uid === owner) return;
  chmodSync(path, 0o700);
  chownSync(path, owner, owner);
};

const databasePassword = kept('postgres');
const databaseUrl = `postgres://signalbox:${databasePassword}@postgres:5432/signalbox`;
put('postgres', 'password', postgres, databasePassword);

for (const service of ['api', 'scheduler', 'dispatcher', 'device-gateway', 'audit']) {
  put(service, 'database-url', services, databaseUrl);
  put(service, 'nats-password', services, kept(`nats-${service}`));
  own(service, services);
}
put('scheduler', 'relay-nats-password', services, kept('nats-relay'));
put('audit', 'auditor-password', services, kept('auditor'));

const adminKey = kept('admin-key', 'sbk_');
put('api', 'admin-key', services, adminKey);
put('enrol', 'admin-key', services, adminKey);

/** `$SIGNALBOX_NATS_DEVICE_GATEWAY_PASSWORD` stands for the password of the user `device-gateway`. */
const withPasswords = readFileSync('/authorization.conf', 'utf8').replaceAll(
  /\$SIGNALBOX_NATS_([A-Z_]+)_PASSWORD/g,
  (_, user) => JSON.stringify(kept(`nats-${user.toLowerCase().replaceAll('_', '-')}`)),
);
put('nats', 'authorization.conf', services, withPasswords);

for (const volume of ['enrol', 'token', 'nats', 'nats-data']) own(volume, services);
for (const volume of ['postgres', 'postgres-data']) own(volume, postgres);
