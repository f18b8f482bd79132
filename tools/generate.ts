/**
 * Writes the reference pages under `docs/` from the code they describe. `--check` writes nothing, names the files that are
 * not as they would be written, and exits with 1 if there are any.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { agentRoutes, apiRoutes, openApiDocument } from '@signalbox/contracts';
import { format } from 'prettier';
import { stringify } from 'yaml';
import { asyncApiDocument } from './docs/asyncapi.ts';
import { errorCodesPage } from './docs/error-codes.ts';
import { settingsPage } from './docs/settings.ts';

const yaml = (document: unknown): string =>
  `# Generated from libs/contracts by \`npm run generate\`; do not edit.\n${stringify(document, { aliasDuplicateObjects: false, lineWidth: 0 })}`;

const pages: Readonly<Record<string, () => string | Promise<string>>> = {
  'asyncapi.yaml': () => yaml(asyncApiDocument()),
  'openapi.yaml': () => yaml(openApiDocument({ ...apiRoutes, ...agentRoutes })),
  'error-codes.md': errorCodesPage,
  'settings.md': settingsPage,
};

const current = (file: URL): string | undefined => {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
};

const check = process.argv.includes('--check');
const stale: string[] = [];
for (const [name, make] of Object.entries(pages)) {
  const file = new URL(`../docs/${name}`, import.meta.url);
  const parser = name.endsWith('.md') ? 'markdown' : 'yaml';
  const text = await format(await make(), { parser, printWidth: 110, singleQuote: true });
  if (current(file) === text) continue;
  stale.push(`docs/${name}`);
  if (!check) writeFileSync(file, text);
}
const verb = check ? 'stale' : 'written';
console.log(
  stale.length === 0 ? 'all pages are up to date' : stale.map((each) => `${verb}: ${each}`).join('\n'),
);
if (check && stale.length > 0) process.exitCode = 1;
