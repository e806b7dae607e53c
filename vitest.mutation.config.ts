import base from './vitest.config.ts';

/**
 * The tests that judge mutants of `src/core` and `src/solvers`: those of the two folders, but for whole runs on
 * benchmark problems, which take long and notice little.
 */
export default {
  ...base,
  test: {
    ...base.test,
    include: ['test/core/**/*.test.ts', 'test/solvers/**/*.test.ts'],
    exclude: ['problems', 'floor', 'endings'].map((name) => `test/solvers/${name}.test.ts`),
    reporters: ['default'],
  },
};
