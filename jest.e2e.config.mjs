import { base } from './jest.base.mjs';

/** On the whole stack, as it is delivered; one spec file after the other, because each starts a system. */
export default {
  ...base,
  testMatch: ['**/*.e2e.spec.ts'],
  globalSetup: '<rootDir>/e2e/jest/setup.mjs',
  testTimeout: 120_000,
  maxWorkers: 1,
};
