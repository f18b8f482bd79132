/** `docker compose` on our engine, with the compose file as it is. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { downloadPackage } from '@signalbox/embedded';
import { root } from '@signalbox/tools/service-files';
import { programPath, run, shell, tryRun } from './command.ts';
import type { Engine } from './engine.ts';

const cacheDir = join(root, '.signalbox', 'cache');
const cached = join(cacheDir, 'docker-compose');
const composeFile = join(root, 'deploy', 'compose', 'compose.yaml');
/** Debian's first release with version 2. */
const debianSuite = 'trixie';

export interface Compose {
  run(...args: readonly string[]): Promise<string>;
  /** Id of the container of a service. */
  container(service: string): Promise<string>;
  /** Address of a port of a service, as this machine reaches it. */
  published(service: string, port: number): Promise<string>;
}

/** Fetches the plugin of Debian, once. */
const fetchCompose = async (): Promise<void> => {
  await mkdir(cacheDir, { recursive: true });
  const folder = (await run('mktemp', ['-d', join(cacheDir, '.fetch-XXXXXX')])).trim();
  const files = await downloadPackage('docker-compose', folder, debianSuite);
  await shell(
    'mv "$(find "$1" -name docker-compose -type f -perm /111 | head -1)" "$2"; rm -r "$3"',
    files,
    cached,
    folder,
  );
};

/** The program and its first arguments: the plugin of the installed client, else the one of Debian. */
const findCompose = async (): Promise<readonly [string, ...string[]]> => {
  const docker = await programPath('docker');
  if (docker !== undefined && (await tryRun(docker, ['compose', 'version'])).code === 0)
    return [docker, 'compose'];
  if ((await tryRun('test', ['-x', cached])).code !== 0) await fetchCompose();
  return [cached];
};

/** Every container of the compose file answers on the link; Postgres too, which the file itself does not publish. */
const override = `services:
  postgres: { ports: ['5432'] }
`;

export const openCompose = async (engine: Engine): Promise<Compose> => {
  const [program, ...first] = await findCompose();
  const more = join(engine.folder, 'override.yaml');
  await writeFile(more, override);
  const env = { DOCKER_HOST: engine.host, SIGNALBOX_BIND: '0.0.0.0', SIGNALBOX_PORT: '0' };
  const compose = (...args: readonly string[]) =>
    run(program, [...first, '-f', composeFile, '-f', more, ...args], { env });
  return {
    run: compose,
    container: async (service) => (await compose('ps', '--all', '--quiet', service)).trim(),
    published: async (service, port) => {
      const bound = (await compose('port', service, String(port))).trim();
      return `${engine.address}:${bound.slice(bound.lastIndexOf(':') + 1)}`;
    },
  };
};
