import { dirname } from 'node:path';

/**
 * Targets of every workspace package: the same three commands at the package's folder, so that no package repeats them.
 * `lint` and `test` are pure and cached; `test-int` starts real servers.
 */
const targetsOf = (folder) => {
  const jest = (kind) => `jest -c jest.${kind}.config.mjs --passWithNoTests ${folder}/`;
  const run = (command, more = {}) => ({
    executor: 'nx:run-commands',
    options: { command, cwd: '{workspaceRoot}', env: { NODE_OPTIONS: '--experimental-vm-modules' } },
    ...more,
  });
  const cached = { cache: true, inputs: ['sources', '^sources', 'settings'] };
  return {
    lint: run(`eslint --max-warnings 0 --no-error-on-unmatched-pattern ${folder}`, cached),
    test: run(jest('unit'), cached),
    'test-int': run(jest('int')),
  };
};

export const name = 'signalbox-targets';

export const createNodesV2 = [
  '{tools,bench,e2e,deploy,{libs,services,apps,examples}/*}/package.json',
  (files) =>
    files.map((file) => [file, { projects: { [dirname(file)]: { targets: targetsOf(dirname(file)) } } }]),
];
