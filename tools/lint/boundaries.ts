import { readFileSync, readdirSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, relative, resolve, sep } from 'node:path';
import type { Rule } from 'eslint';
import { type ProjectType, externalsOf, mayDependOn, pureTypes } from './table.ts';

const root = resolve(import.meta.dirname, '../..');

/** A workspace package: its folder from the root, its name, and the type that its tag gives it. */
export interface Project {
  readonly folder: string;
  readonly name: string;
  readonly type: ProjectType;
}

const isProjectType = (text: string): text is ProjectType => Object.hasOwn(mayDependOn, text);

const readProject = (folder: string): Project | undefined => {
  let text: string;
  try {
    text = readFileSync(join(root, folder, 'package.json'), 'utf8');
  } catch {
    return undefined;
  }
  const { name, nx }: { name: string; nx?: { tags?: string[] } } = JSON.parse(text);
  const type = nx?.tags?.find((tag) => tag.startsWith('type:'))?.slice('type:'.length) ?? '';
  if (!isProjectType(type))
    throw new Error(`expected a known tag "type:…" in ${folder}/package.json, got "${type}"`);
  return { folder, name, type };
};

const readProjects = (): readonly Project[] => {
  const manifest: { workspaces: string[] } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const folders = manifest.workspaces.flatMap((pattern) => {
    if (!pattern.endsWith('/*')) return [pattern];
    const parent = pattern.slice(0, -2);
    return readdirSync(join(root, parent)).map((each) => `${parent}/${each}`);
  });
  return folders.flatMap((folder) => readProject(folder) ?? []);
};

const projects = readProjects();

const projectAt = (path: string): Project | undefined => {
  const local = relative(root, path).split(sep).join('/');
  return projects.find((each) => local === each.folder || local.startsWith(`${each.folder}/`));
};

/** Specs, and what only specs import: they may use the testkit and every library, but no other service or app. */
const isTestCode = (path: string): boolean =>
  path.endsWith('.spec.ts') ||
  path.endsWith('.spec.tsx') ||
  path.split(sep).join('/').includes('/src/testing/');

const builtins = new Set(builtinModules);
const packageOf = (specifier: string): string =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');

const matches = (name: string, pattern: string): boolean =>
  pattern === '*' || name === pattern || (pattern.endsWith('/*') && name.startsWith(pattern.slice(0, -1)));

const libraries: readonly ProjectType[] = [
  'contract',
  'domain',
  'port',
  'adapter',
  'kit',
  'client',
  'test',
  'tool',
];

/** Why `from` must not import our project `to`; undefined where it may. */
const refuseProject = (from: Project, to: Project, test: boolean): string | undefined => {
  if (from.name === to.name) return undefined;
  const allowed = [...mayDependOn[from.type], ...(test && from.type !== 'example' ? libraries : [])];
  if (allowed.includes(to.type) || allowed.includes(`=${to.name}`)) return undefined;
  const own = mayDependOn[from.type].join(', ') || 'nothing of ours';
  return `expected type:${from.type} to import ${own}, got ${to.name} (type:${to.type})`;
};

/** Why `from` must not import this package from outside; undefined where it may. */
const refuseExternal = (from: Project, specifier: string, test: boolean): string | undefined => {
  if (test) return undefined;
  if (specifier.startsWith('node:') || builtins.has(specifier)) {
    if (!pureTypes.includes(from.type)) return undefined;
    return `expected type:${from.type} to run anywhere, got Node's own module ${specifier}`;
  }
  const name = packageOf(specifier);
  const allowed = externalsOf(from);
  if (allowed.some((pattern) => matches(name, pattern))) return undefined;
  return `expected ${from.name} to use ${allowed.join(', ') || 'no package from outside'}, got ${name}`;
};

const refuse = (filename: string, specifier: string): string | undefined => {
  const from = projectAt(filename);
  if (from === undefined) return undefined;
  const test = isTestCode(filename);
  if (specifier.startsWith('.')) {
    const to = projectAt(resolve(dirname(filename), specifier));
    if (to === undefined || to.name === from.name) return undefined;
    return `expected the import of another project by its name ${to.name}, got the path ${specifier}`;
  }
  const to = projects.find((each) => each.name === packageOf(specifier));
  return to === undefined ? refuseExternal(from, specifier, test) : refuseProject(from, to, test);
};

/** Reports an import that the table of boundaries does not allow, static or dynamic, of values or types. */
export const boundaries: Rule.RuleModule = {
  meta: { type: 'problem', schema: [], messages: { boundary: '{{ why }}' } },
  create: (context) => {
    const check = (node: Rule.Node, source: unknown): void => {
      if (typeof source !== 'string') return;
      const why = refuse(context.filename, source);
      if (why !== undefined) context.report({ node, messageId: 'boundary', data: { why } });
    };
    return {
      ImportDeclaration: (node) => check(node, node.source.value),
      ExportNamedDeclaration: (node) => check(node, node.source?.value),
      ExportAllDeclaration: (node) => check(node, node.source.value),
      ImportExpression: (node) => check(node, node.source.type === 'Literal' ? node.source.value : undefined),
    };
  },
};
