/** @typedef {'legacy' | 'standard'} Dialect */

const base = {
  testEnvironment: 'node',
  roots: ['<rootDir>/__tests__'],
  moduleNameMapper: { '^cachette$': '<rootDir>/src/index.ts', '^(\\.{1,2}/.*)\\.js$': '$1' },
};

// tsc checks the types in `npm run check`; here each file is only translated, which is several times faster.
/** @param {string} tsconfig */
const tsc = (tsconfig) => ({ '^.+\\.ts$': ['ts-jest', { tsconfig, transpilation: true }] });

/**
 * One compiler over the dialect suite. `*.legacy.test.ts` and `*.standard.test.ts` compile in that dialect only.
 *
 * @param {'tsc' | 'esbuild' | 'swc'} compiler
 * @param {Dialect} dialect
 */
const dialectProject = (compiler, dialect) => ({
  ...base,
  displayName: compiler === 'tsc' ? dialect : `${compiler}-${dialect}`,
  globals: { DIALECT: dialect, COMPILER: compiler },
  testMatch: [
    '<rootDir>/__tests__/dialects/**/*.test.ts',
    `!**/*.${dialect === 'legacy' ? 'standard' : 'legacy'}.test.ts`,
  ],
  transform:
    compiler === 'tsc'
      ? tsc(`__tests__/tsconfig.${dialect === 'legacy' ? 'legacy' : 'jest'}.json`)
      : { '^.+\\.ts$': [`<rootDir>/__tests__/support/transform-${compiler}.cjs`, { dialect }] },
});

/** @type {import('jest').Config} */
module.exports = {
  maxWorkers: 2,
  // jest ignores this inside a project
  testTimeout: 15_000,
  projects: [
    {
      ...base,
      displayName: 'core',
      testMatch: ['<rootDir>/__tests__/**/*.test.ts', '!**/__tests__/dialects/**', '!**/__tests__/fleet/**'],
      transform: tsc('__tests__/tsconfig.jest.json'),
    },
    {
      // Minutes of many processes at a time: not in `npm test`, and for a few seconds each in CI.
      ...base,
      displayName: 'fleet',
      testMatch: ['<rootDir>/__tests__/fleet/**/*.test.ts'],
      transform: tsc('__tests__/tsconfig.jest.json'),
    },
    dialectProject('tsc', 'legacy'),
    dialectProject('tsc', 'standard'),
    dialectProject('esbuild', 'legacy'),
    dialectProject('esbuild', 'standard'),
    dialectProject('swc', 'legacy'),
    dialectProject('swc', 'standard'),
  ],
};
