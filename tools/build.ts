/** Bundles the services and the agent into `dist/`; packages from npm stay outside the bundles of the services. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Plugin, build } from 'esbuild';
import { root, serviceNames } from './service-files.ts';
import { buildAgent } from '@signalbox/agent/build';

/** Our own packages are bundled, all others are loaded at run time. */
const workspace: Plugin = {
  name: 'workspace',
  setup: (builder) => {
    builder.onResolve({ filter: /^@signalbox\// }, ({ path }) => ({ path: workspaceEntry(path) }));
  },
};

/**
 * Bundles the services into a folder.
 *
 * @param plugins what a test does to the sources on their way
 */
export const buildServices = async (outdir: string, plugins: readonly Plugin[] = []): Promise<void> => {
  await rm(outdir, { recursive: true, force: true });
  await build({
    absWorkingDir: root,
    entryPoints: Object.fromEntries(serviceNames.map((name) => [name, `services/${name}/src/main.ts`])),
    outdir,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    packages: 'external',
    sourcemap: 'linked',
    logLevel: 'warning',
    plugins: [workspace, ...plugins],
  });
};

export const buildAll = async (): Promise<void> => {
  await Promise.all([buildServices(join(root, 'dist', 'services')), buildAgent()]);
};

const workspaceEntry = (specifier: string): string => {
  const resolved = import.meta.resolve(specifier);
  return new URL(resolved).pathname;
};

if (import.meta.main) await buildAll();
