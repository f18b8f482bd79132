/** A Docker engine of our own, in a network namespace and a folder of our own: nothing of the machine's is changed. */
import { access, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ServerProcess, spawnServer } from '@signalbox/embedded';
import { eventually } from '@signalbox/testkit';
import { programPath, run, shell, tryRun } from './command.ts';

export interface Engine {
  /** What `DOCKER_HOST` says. */
  readonly host: string;
  /** Our side of the link into the namespace: containers reach us here. */
  readonly ownAddress: string;
  /** The other side: published ports of containers are here. */
  readonly address: string;
  readonly folder: string;
  docker(...args: readonly string[]): Promise<string>;
  /** Ends everything and leaves nothing behind. */
  stop(): Promise<void>;
}

const tools = ['dockerd', 'ip', 'nsenter', 'iptables', 'dpkg-query', 'tini', 'wget', 'ps'];
/** The distribution's client, which needs no plugin to build. */
const client = '/usr/bin/docker';

/** Why no engine can be started here; undefined when one can. */
export const engineIsMissing = async (): Promise<string | undefined> => {
  if (process.platform !== 'linux') return 'needs Linux';
  if (process.getuid?.() !== 0) return 'needs root, to make a network namespace';
  for (const tool of tools) {
    if ((await programPath(tool)) === undefined)
      return `needs ${tool} (apt-get install docker.io iptables iproute2 tini wget procps)`;
  }
  const hasClient = await access(client).then(
    () => true,
    () => false,
  );
  return hasClient ? undefined : `needs ${client}`;
};

interface Link {
  readonly namespace: string;
  readonly device: string;
  readonly ownAddress: string;
  readonly address: string;
}

const makeLink = async (): Promise<Link> => {
  const number = process.pid;
  const net = `10.77.${number % 256}`;
  const [namespace, device] = [`sbx${number}`, `sbx${number}`];
  const link = { namespace, device, ownAddress: `${net}.1`, address: `${net}.2` };
  await run('ip', ['netns', 'add', namespace]);
  await run('ip', ['link', 'add', device, 'type', 'veth', 'peer', 'name', 'up0', 'netns', namespace]);
  await run('ip', ['addr', 'add', `${link.ownAddress}/30`, 'dev', device]);
  await run('ip', ['link', 'set', device, 'up']);
  const inside = (...args: string[]) => run('ip', ['-n', namespace, ...args]);
  await inside('link', 'set', 'lo', 'up');
  await inside('addr', 'add', `${link.address}/30`, 'dev', 'up0');
  await inside('link', 'set', 'up0', 'up');
  await inside('route', 'add', 'default', 'via', link.ownAddress);
  return link;
};

/** Mounts that a daemon left under a folder, the innermost first. */
const unmountBelow = async (folder: string): Promise<void> => {
  const mounts = (await readFile('/proc/self/mountinfo', 'utf8'))
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((point) => point.startsWith(`${folder}/`));
  for (const point of mounts.toReversed()) await tryRun('umount', ['-l', point]);
};

const startDaemon = (folder: string, { namespace }: Link): Promise<ServerProcess> =>
  spawnServer({
    command: '/usr/bin/nsenter',
    args: [
      `--net=/run/netns/${namespace}`,
      'dockerd',
      ...['--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec')],
      ...['--pidfile', join(folder, 'dockerd.pid'), '-H', `unix://${folder}/docker.sock`],
      ...['--storage-driver', 'overlay2', '--mtu', '1400'],
    ],
    logFile: join(folder, 'dockerd.log'),
    account: undefined,
    env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' },
  });

/** Starts an engine. @throws Error the daemon does not come up; what was made is gone again */
export const startEngine = async (): Promise<Engine> => {
  const folder = await mkdtemp(join(tmpdir(), 'sbx-'));
  const host = `unix://${folder}/docker.sock`;
  const docker = (...args: readonly string[]) =>
    run(client, args, { env: { DOCKER_HOST: host, DOCKER_BUILDKIT: '1' } });
  const link = await makeLink();
  let daemon: ServerProcess | undefined;
  const stop = async (): Promise<void> => {
    if (daemon?.isRunning() === true) {
      await shell('/usr/bin/docker -H "$1" ps -aq | xargs -r /usr/bin/docker -H "$1" rm -f', host);
      await daemon.stop(20_000);
    }
    await tryRun('ip', ['link', 'del', link.device]);
    await run('ip', ['netns', 'del', link.namespace]);
    await unmountBelow(folder);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const started = await startDaemon(folder, link);
    daemon = started;
    await eventually(
      async () => {
        if (!started.isRunning()) throw new Error(`it ended: ${await started.log()}`);
        return (await docker('version', '--format', '{{.Server.Version}}')) !== '';
      },
      { what: 'dockerd to answer', timeoutMs: 30_000, everyMs: 100 },
    );
  } catch (error) {
    await stop();
    throw error;
  }
  return { host, ownAddress: link.ownAddress, address: link.address, folder, docker, stop };
};
