import { describe, expect, it, jest } from '@jest/globals';
import { ESLint } from 'eslint';
import tseslint from 'typescript-eslint';

/** The first check loads the configuration and TypeScript, which takes seconds on a busy machine. */
jest.setTimeout(60_000);

const root = new URL('..', import.meta.url).pathname;

/** The real configuration without the rules that need types: planted files are in no TypeScript project. */
const eslint = new ESLint({ cwd: root, overrideConfig: [tseslint.configs.disableTypeChecked] });

const messages = async (filePath: string, text: string): Promise<string[]> => {
  const [result] = await eslint.lintText(text, { filePath });
  return (result?.messages ?? []).map((each) => `${each.ruleId ?? 'parse'}: ${each.message}`);
};

const importing = (imported: string) => `import { x } from '${imported}';\nx();\n`;

describe('an import across a boundary', () => {
  it.each([
    ['libs/contracts/src/planted.ts', '@signalbox/domain'],
    ['libs/contracts/src/planted.ts', 'pg'],
    ['libs/contracts/src/planted.ts', 'node:fs'],
    ['libs/contracts/src/planted.ts', 'crypto'],
    ['libs/domain/src/planted.ts', '@signalbox/event-store'],
    ['libs/domain/src/planted.ts', 'zod'],
    ['libs/domain/src/planted.ts', 'node:crypto'],
    ['libs/event-store/src/planted.ts', '@signalbox/domain'],
    ['libs/event-store/src/planted.ts', 'node:events'],
    ['libs/event-store-postgres/src/planted.ts', '@signalbox/bus-nats'],
    ['libs/event-store-postgres/src/planted.ts', '@nats-io/transport-node'],
    ['libs/bus-nats/src/planted.ts', 'pg'],
    ['libs/postgres/src/planted.ts', '@signalbox/service-kit'],
    ['libs/service-kit/src/planted.ts', '@signalbox/domain'],
    ['libs/service-kit/src/planted.ts', 'pg'],
    ['services/api/src/planted.ts', '@signalbox/service-audit'],
    ['services/api/src/planted.ts', '../../audit/src/tables/rows.ts'],
    ['services/api/src/planted.ts', '@signalbox/testkit'],
    ['services/api/src/planted.ts', '@nats-io/transport-node'],
    ['services/api/src/planted.spec.ts', '@signalbox/service-audit'],
    ['apps/agent/src/planted.ts', '@signalbox/event-store'],
    ['apps/agent/src/planted.ts', '@nestjs/common'],
    ['examples/subscriber/src/planted.ts', '@signalbox/contracts'],
    ['tools/planted.ts', '@signalbox/testkit'],
  ])('in %s is refused: %s', async (file, imported) => {
    expect(await messages(file, importing(imported))).toEqual([
      expect.stringMatching(/^signalbox\/boundaries: expected /),
    ]);
  });

  it.each([
    ['libs/domain/src/planted.ts', '@signalbox/contracts'],
    ['libs/event-store-postgres/src/planted.ts', '@signalbox/postgres'],
    ['libs/domain/src/planted.spec.ts', '@signalbox/testkit'],
    ['services/api/src/planted.ts', '@signalbox/service-kit'],
    ['apps/agent/src/planted.ts', 'node:child_process'],
  ])('that the table allows passes: %s %s', async (file, imported) => {
    expect(await messages(file, importing(imported))).toEqual([]);
  });

  it('is found in exports, dynamic imports and imports of types', async () => {
    const texts = [
      `export { x } from 'pg';\n`,
      `export const x = () => import('pg');\n`,
      `import type { Pool } from 'pg';\nexport type X = Pool;\n`,
    ];
    for (const text of texts) {
      expect(await messages('libs/domain/src/planted.ts', text)).toContainEqual(
        expect.stringMatching(/^signalbox\/boundaries: /),
      );
    }
  });
});

describe('a forbidden thing', () => {
  const domain = 'libs/domain/src/planted.ts';
  it.each([
    [domain, 'export const x = Date.now();', 'no-restricted-syntax'],
    [domain, 'export const x = new Date();', 'no-restricted-syntax'],
    [domain, 'export const x = Math.random();', 'no-restricted-syntax'],
    [domain, 'export const x = async () => 1;', 'no-restricted-syntax'],
    [domain, 'export const x = () => setTimeout(() => 1, 1);', 'no-restricted-globals'],
    [domain, "export const x = () => fetch('a');", 'no-restricted-globals'],
    [domain, 'export const x = () => crypto.randomUUID();', 'no-restricted-globals'],
    [domain, 'export const x = (y: string) => y as "a";', '@typescript-eslint/consistent-type-assertions'],
    ['services/api/src/planted.ts', 'export const x = process.env;', 'no-restricted-syntax'],
    [
      'libs/postgres/src/planted.ts',
      "import { env } from 'node:process';\nexport const x = env;",
      'no-restricted-syntax',
    ],
    ['libs/postgres/src/planted.ts', '@y() export class X {}', 'no-restricted-syntax'],
    ['services/api/src/planted.ts', "export * from './other.ts';", 'no-restricted-syntax'],
    ['services/api/src/planted.ts', 'export default 1;', 'import-x/no-default-export'],
    ['services/api/src/planted.ts', 'export const x = (y: any) => y;', '@typescript-eslint/no-explicit-any'],
    [
      'services/api/src/planted.ts',
      'export const x = (y?: string) => y!;',
      '@typescript-eslint/no-non-null-assertion',
    ],
    [
      'services/api/src/planted.ts',
      '// eslint-disable-next-line no-console\nconsole.log(1);',
      'signalbox/reasons',
    ],
  ])('in %s is refused: %s', async (file, text, rule) => {
    expect(await messages(file, text)).toContainEqual(expect.stringMatching(new RegExp(`^${rule}: `)));
  });

  it('is a file that is too long, or a function', async () => {
    const found = async (file: string, lines: number) =>
      (await messages(file, `export const x = () => {\n${'x();\n'.repeat(lines)}};\n`)).map(
        (each) => each.split(':')[0],
      );
    expect(await found('services/api/src/planted.ts', 401)).toEqual(['max-lines-per-function', 'max-lines']);
    expect(await found('services/api/src/planted.ts', 59)).toEqual(['max-lines-per-function']);
    expect(await found('services/api/src/planted.ts', 58)).toEqual([]);
    expect(await found('services/api/src/planted.spec.ts', 601)).toEqual(['max-lines']);
  });
});
