/**
 * Writes reference pages under `docs/` and configuration under `deploy/` from the code they describe. `--check` writes nothing, names the files that are
 * not as they would be written, and exits with 1 if there are any.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { extname } from 'node:path';
import {
  agentRoutes,
  apiRoutes,
  busPasswordVariable,
  openApiDocument,
  renderAuthorization,
} from '@signalbox/contracts';
import { format } from 'prettier';
import { stringify } from 'yaml';
import { asyncApiDocument } from './docs/asyncapi.ts';
import { errorCodesPage } from './docs/error-codes.ts';
import { settingsPage } from './docs/settings.ts';

const yaml = (document: unknown): string =>
  `# Generated from libs/contracts by \`npm run generate\`; do not edit.\n${stringify(document, { aliasDuplicateObjects: false, lineWidth: 0 })}`;

/** What nats-server lets each user do, for a deployment to include: passwords come from the server's environment. */
const natsAuthorization = (): string =>
  `# Generated from libs/contracts by \`npm run generate\`; do not edit.\n${renderAuthorization((user) => `$${busPasswordVariable(user)}`)}`;

const pages: Readonly<Record<string, () => string | Promise<string>>> = {
  'docs/asyncapi.yaml': () => yaml(asyncApiDocument()),
  'docs/openapi.yaml': () => yaml(openApiDocument({ ...apiRoutes, ...agentRoutes })),
  'docs/error-codes.md': errorCodesPage,
  'docs/settings.md': settingsPage,
  'deploy/nats/authorization.conf': natsAuthorization,
  // A chart can read files of its own folder only.
  'deploy/helm/signalbox/files/authorization.conf': natsAuthorization,
};

/** Files of other kinds are written as they are made. */
const parsers: Readonly<Record<string, string>> = { '.md': 'markdown', '.yaml': 'yaml' };

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
  const file = new URL(`../${name}`, import.meta.url);
  const parser = parsers[extname(name)];
  const made = await make();
  const text =
    parser === undefined ? made : await format(made, { parser, printWidth: 110, singleQuote: true });
  if (current(file) === text) continue;
  stale.push(name);
  if (check) continue;
  mkdirSync(new URL('.', file), { recursive: true });
  writeFileSync(file, text);
}
const verb = check ? 'stale' : 'written';
console.log(
  stale.length === 0 ? 'all pages are up to date' : stale.map((each) => `${verb}: ${each}`).join('\n'),
);
if (check && stale.length > 0) process.exitCode = 1;
