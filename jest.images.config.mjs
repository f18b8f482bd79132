import { base } from './jest.base.mjs';

/** Container images, built and started by a Docker engine of our own. */
export default { ...base, testMatch: ['**/*.images.spec.ts'], testTimeout: 120_000, maxWorkers: 1 };
