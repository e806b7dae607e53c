import base from './vitest.config.ts';

/** Patterns of test files, separated by commas: only these judge the mutants. */
const chosen = process.env['MUTATION_TESTS'];

/**
 * The tests that judge mutants of `src/core` and `src/solvers`: those of the two folders, except whole runs on
 * benchmark problems, which take long and notice little.
 */
export default {
  ...base,
  test: {
    ...base.test,
    include: chosen?.split(',') ?? ['test/core/**/*.test.ts', 'test/solvers/**/*.test.ts'],
    exclude: ['problems', 'floor', 'endings'].map((name) => `test/solvers/${name}.test.ts`),
    reporters: ['default'],
  },
};
