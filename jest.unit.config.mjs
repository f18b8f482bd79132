import { base } from './jest.base.mjs';

/** Pure tests beside the code: no network, no servers. */
export default {
  ...base,
  testMatch: ['**/*.spec.ts'],
  testPathIgnorePatterns: [...base.testPathIgnorePatterns, '\\.(int|e2e|images)\\.spec\\.ts$'],
};
