import integration from './jest.int.config.mjs';

/** On the whole stack, each service as its own process; one after the other, because each starts many. */
export default {
  ...integration,
  testMatch: ['**/*.e2e.spec.ts'],
  testTimeout: 120_000,
  maxWorkers: 1,
};
