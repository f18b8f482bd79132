/** Bundles the agent into one file without packages, for Node 20 and later. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
// eslint-disable-next-line signalbox/boundaries -- building is no part of the program that is built
import { build } from 'esbuild';

const folder = dirname(fileURLToPath(import.meta.url));

/** Where the bundle goes unless told otherwise. */
export const agentBundle = join(folder, '../../dist/agent/signalbox-agent.mjs');

const head = [
  '#!/usr/bin/env node',
  "import { createRequire as createBundleRequire } from 'node:module';",
  'const require = createBundleRequire(import.meta.url);',
  '',
].join('\n');

/**
 * Loads Node's own modules by `require`: `import` reads every one of their exports and with that loads parts of Node
 * that the agent never uses, which costs 3 MB of memory.
 */
const requireBuiltins = (code: string): string =>
  code.replaceAll(
    /^import (\{[^}]*\}) from ("node:(?!module")\w+");$/gm,
    (_, names: string, module: string) => {
      return `const ${names.replaceAll(' as ', ': ')} = require(${module});`;
    },
  );

/** @throws when the bundle would hold a package, or would need one: the agent has to stay small */
export const buildAgent = async (outfile: string = agentBundle): Promise<void> => {
  const { metafile, outputFiles } = await build({
    absWorkingDir: folder,
    entryPoints: ['src/main.ts'],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    legalComments: 'none',
    logLevel: 'warning',
    metafile: true,
  });
  const foreign = Object.keys(metafile.inputs).filter((path) => path.includes('node_modules/'));
  if (foreign.length > 0) throw new Error(`agent bundle: expected no packages, got ${foreign[0]}`);
  mkdirSync(dirname(outfile), { recursive: true });
  writeFileSync(outfile, head + requireBuiltins(outputFiles[0]?.text ?? ''), { mode: 0o755 });
};

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildAgent();
