/** Bundles the agent into one file without packages, for Node 20 and later. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
// eslint-disable-next-line signalbox/boundaries -- building is no part of the program that is built
import { build } from 'esbuild';

const folder = dirname(fileURLToPath(import.meta.url));

/** Where the bundle goes unless told otherwise. */
export const agentBundle = join(folder, '../../dist/agent/signalbox-agent.mjs');

/** @throws when the bundle would hold a package: the agent has to stay small */
export const buildAgent = async (outfile: string = agentBundle): Promise<void> => {
  const { metafile } = await build({
    absWorkingDir: folder,
    entryPoints: ['src/main.ts'],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    banner: { js: '#!/usr/bin/env node' },
    legalComments: 'none',
    logLevel: 'warning',
    metafile: true,
  });
  const foreign = Object.keys(metafile.inputs).filter((path) => path.includes('node_modules/'));
  if (foreign.length > 0) throw new Error(`agent bundle: expected no packages, got ${foreign[0]}`);
};

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildAgent();
