import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { parse } from 'yaml';

const deploy = join(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(deploy, path), 'utf8');

it.each(['docker/Dockerfile', 'docker/agent.Dockerfile'])('%s has the Node that the tests run on', (path) => {
  const { version } = parse(read('../package-lock.json')).packages['node_modules/node'];
  expect(read(path)).toContain(`ARG BASE_IMAGE=node:${String(version)}-bookworm-slim`);
});

it('the chart and the compose file run the same Postgres and nats-server', () => {
  const { services } = parse(read('compose/compose.yaml'), { merge: true });
  const { database, nats } = parse(read('helm/signalbox/values.yaml'));
  expect(database.bundled.image).toBe(services.postgres.image);
  expect(nats.bundled.image).toBe(services.nats.image);
});
