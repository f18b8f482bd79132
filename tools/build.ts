/** Bundles the services and the agent into `dist/`; packages from npm stay outside the bundles of the services. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { root, serviceNames } from './service-files.ts';
import { buildAgent } from '@signalbox/agent/build';

export const buildAll = async (): Promise<void> => {
  await rm(join(root, 'dist', 'services'), { recursive: true, force: true });
  await Promise.all([
    build({
      absWorkingDir: root,
      entryPoints: Object.fromEntries(serviceNames.map((name) => [name, `services/${name}/src/main.ts`])),
      outdir: 'dist/services',
      bundle: true,
      splitting: true,
      format: 'esm',
      platform: 'node',
      target: 'node24',
      packages: 'external',
      sourcemap: 'linked',
      logLevel: 'warning',
      plugins: [
        {
          // Our own packages are bundled, all others are loaded at run time.
          name: 'workspace',
          setup: (builder) => {
            builder.onResolve({ filter: /^@signalbox\// }, ({ path }) => ({ path: workspaceEntry(path) }));
          },
        },
      ],
    }),
    buildAgent(),
  ]);
};

const workspaceEntry = (specifier: string): string => {
  const resolved = import.meta.resolve(specifier);
  return new URL(resolved).pathname;
};

if (import.meta.main) await buildAll();
