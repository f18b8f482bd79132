import { base } from './jest.base.mjs';

/** Against real servers: one Postgres cluster per run, one database and one nats-server per spec file. */
export default {
  ...base,
  testMatch: ['**/*.int.spec.ts'],
  globalSetup: '<rootDir>/libs/testkit/jest/setup.mjs',
  globalTeardown: '<rootDir>/libs/testkit/jest/teardown.mjs',
  testTimeout: 30_000,
  maxWorkers: 2,
};
