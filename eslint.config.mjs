import { createTypeScriptImportResolver } from 'eslint-import-resolver-typescript';
import { importX } from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';
import { boundaries } from './tools/lint/boundaries.ts';
import { reasons } from './tools/lint/reasons.ts';

const specs = ['**/*.spec.ts', '**/*.spec.tsx', '**/src/testing/**'];
/** Code that helps specs, and programs for developers: they read the environment, and no user depends on them. */
const aids = ['libs/testkit/**', 'libs/embedded/**', 'tools/**', 'bench/**', 'e2e/**', 'deploy/**'];
const pure = ['libs/contracts/**', 'libs/domain/**', 'libs/event-store/**', 'libs/api-client/**'];

const forbid = (selector, message) => ({ selector, message });

const noExportAll = forbid(
  'ExportAllDeclaration',
  'Name what is exported: `export *` makes everything public.',
);
const noDecorators = forbid('Decorator', 'Decorators belong into services and service-kit only.');
const noEnvironment = forbid(
  'MemberExpression[object.name="process"][property.name="env"], ImportSpecifier[imported.name="env"]',
  'Settings come from the service’s config schema; only service-kit and the apps’ config file read the environment.',
);
const noClockOrChance = [
  forbid('CallExpression[callee.object.name="Date"][callee.property.name="now"]', 'Time comes in as data.'),
  forbid(
    'NewExpression[callee.name="Date"][arguments.length=0], CallExpression[callee.name="Date"]',
    'Time comes in as data.',
  ),
  forbid('MemberExpression[object.name="Math"][property.name="random"]', 'Randomness comes in as data.'),
  forbid(
    ':function[async=true], AwaitExpression, ForOfStatement[await=true], NewExpression[callee.name="Promise"]',
    'Deciding is synchronous.',
  ),
];
const noEffects = [
  ...['performance', 'crypto', 'process', 'fetch', 'console', 'globalThis'],
  ...['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask'],
].map((name) => ({ name, message: 'The domain has no I/O, clock, randomness or timers.' }));

const syntax = (...rules) => ({ 'no-restricted-syntax': ['error', noExportAll, ...rules] });

export default tseslint.config(
  {
    ignores: [
      '**/node_modules/**',
      '**/dist/**',
      '**/.signalbox/**',
      '**/.nx/**',
      '**/coverage/**',
      '**/*.{js,cjs,mjs}',
    ],
  },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['**/*.{ts,tsx}'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    plugins: { 'import-x': importX, signalbox: { rules: { boundaries, reasons } } },
    settings: {
      'import-x/resolver-next': [createTypeScriptImportResolver({ project: 'tsconfig.json' })],
      'import-x/extensions': ['.ts', '.tsx'],
      'import-x/internal-regex': '^@signalbox/',
    },
    rules: {
      'signalbox/boundaries': 'error',
      'signalbox/reasons': 'error',
      'import-x/no-cycle': ['error', { ignoreExternal: true }],
      'import-x/no-duplicates': 'error',
      'import-x/no-default-export': 'error',
      'max-lines': ['error', { max: 400 }],
      'max-lines-per-function': ['error', { max: 60, IIFEs: true }],
      'no-console': 'error',
      eqeqeq: 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        // A `default` counts as exhaustive: `evolve` ignores the facts of other aggregates.
        { considerDefaultExhaustiveForUnions: true, requireDefaultForNonUnion: true },
      ],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      // An implementation of an asynchronous port may have nothing to wait for.
      '@typescript-eslint/require-await': 'off',
      // JSON.parse is typed where it is read; zod or an annotation follows at once.
      '@typescript-eslint/no-unsafe-assignment': 'off',
      ...syntax(noDecorators, noEnvironment),
    },
  },
  { files: ['services/**'], rules: syntax(noEnvironment) },
  { files: ['libs/service-kit/**'], rules: syntax() },
  { files: ['apps/*/src/config.ts'], rules: syntax(noDecorators) },
  {
    files: pure,
    ignores: specs,
    rules: { '@typescript-eslint/consistent-type-assertions': ['error', { assertionStyle: 'never' }] },
  },
  {
    files: ['libs/domain/**'],
    ignores: specs,
    rules: {
      ...syntax(noDecorators, noEnvironment, ...noClockOrChance),
      'no-restricted-globals': ['error', ...noEffects],
    },
  },
  {
    // Programs for a terminal write to it; a test is as long as its story.
    files: [...specs, ...aids, 'apps/**', 'examples/**'],
    rules: { 'no-console': 'off' },
  },
  { files: aids, rules: syntax(noDecorators) },
  {
    files: specs,
    rules: {
      ...syntax(),
      'max-lines': ['error', { max: 600 }],
      'max-lines-per-function': 'off',
      // `expect` takes what came as it came: a body, a caught error.
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/unbound-method': 'off',
    },
  },
);
