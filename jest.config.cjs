/** @typedef {'legacy' | 'standard'} Dialect */

const base = {
  testEnvironment: 'node',
  roots: ['<rootDir>/__tests__'],
  moduleNameMapper: {
    '^cachette$': '<rootDir>/src/index.ts',
    '^cachette/inspector$': '<rootDir>/src/observe/inspector.ts',
    '^cachette/otel$': '<rootDir>/src/observe/otel.ts',
    '^cachette/postgres$': '<rootDir>/src/integrations/postgres.ts',
    '^cachette/prometheus$': '<rootDir>/src/observe/prometheus.ts',
    '^cachette/testing$': '<rootDir>/src/integrations/testing.ts',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
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

/** Many processes at a time, much data, and servers that are started again and again: minutes. */
const long = [
  '__tests__/race/explorer.test.ts',
  '__tests__/fleet/**/*.test.ts',
  '__tests__/examples/cities.test.ts',
  '__tests__/failure/scale.test.ts',
  '__tests__/support/servers.test.ts',
  '__tests__/integrations/postgres.test.ts',
  '__tests__/failure/processes.test.ts',
  '__tests__/failure/topologies.test.ts',
  '__tests__/stores/traps.test.ts',
  '__tests__/policies/replay.test.ts',
  '__tests__/package/built.test.ts',
  '__tests__/cache/audit-applied.test.ts',
  '__tests__/cache/audit-predictions.test.ts',
  '__tests__/integrations/cli/fleet.test.ts',
  '__tests__/observe/inspector/page.test.ts',
  '__tests__/observe/inspector/states.test.ts',
];

/** @type {import('jest').Config} */
module.exports = {
  maxWorkers: 2,
  // jest ignores this inside a project
  testTimeout: 15_000,
  projects: [
    {
      ...base,
      displayName: 'core',
      testMatch: [
        '<rootDir>/__tests__/**/*.test.ts',
        '!**/__tests__/dialects/**',
        ...long.map((files) => `!**/${files}`),
      ],
      transform: {
        ...tsc('__tests__/tsconfig.jest.json'),
        '/otlp-exporter-base/.+\\.js$': '<rootDir>/__tests__/support/transform-dynamic-import.cjs',
      },
      transformIgnorePatterns: ['/node_modules/(?!@opentelemetry/otlp-exporter-base/)'],
    },
    {
      // Not in `npm test`; in CI they run for a few seconds each.
      ...base,
      displayName: 'long',
      testMatch: long.map((files) => `<rootDir>/${files}`),
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
