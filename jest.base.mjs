/** What every kind of test shares. The kind is in the suffix: `.spec.ts`, `.int.spec.ts`, `.e2e.spec.ts`. */
export const base = {
  rootDir: import.meta.dirname,
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          target: 'es2024',
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: false },
          keepClassNames: true,
        },
        module: { type: 'es6' },
      },
    ],
  },
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/.signalbox/', '<rootDir>/.nx/'],
  testPathIgnorePatterns: ['/node_modules/'],
};
