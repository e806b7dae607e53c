// `npm run mutate`: docs/decisions/mutation-testing.md says how to run it and what it leaves out.
// `npm run mutate -- -m src/solvers/adam.ts` mutates one file.

/** Results of runs side by side go to folders of their own. */
const out = `out/mutation/${process.env['MUTATION_NAME'] ?? 'all'}`;

/** @type {import('@stryker-mutator/api/core').PartialStrykerOptions} */
export default {
  testRunner: 'vitest',
  vitest: { configFile: 'vitest.mutation.config.ts', related: false },
  mutate: [
    'src/core/**/*.ts',
    'src/solvers/**/*.ts',
    '!src/core/kernels/simdBytes.ts',
    '!src/core/kernels/matrixBytes.ts',
  ],
  ignorePatterns: ['/docs', '/dist', '/out', '/examples', '/bench/results', '/playground'],
  coverageAnalysis: 'perTest',
  // What runs while a module loads can be tried by all tests only, 10 s each: messages and tables of rules, mostly.
  ignoreStatic: true,
  concurrency: 2,
  // A loaded machine takes minutes for a first run of all tests.
  dryRunTimeoutMinutes: 30,
  timeoutMS: 10_000,
  incremental: true,
  incrementalFile: `${out}/incremental.json`,
  // Stryker reads tsconfig.json by TypeScript's old programming interface, which TypeScript 7 lacks; Vitest needs neither.
  tsconfigFile: 'out/mutation/none.json',
  disableTypeChecks: false,
  tempDirName: `${out}/sandbox`,
  reporters: ['clear-text', 'json', 'html'],
  clearTextReporter: { logTests: false, reportTests: false, allowColor: false },
  jsonReporter: { fileName: `${out}/report.json` },
  htmlReporter: { fileName: `${out}/report.html` },
  thresholds: { high: 95, low: 90, break: null },
  allowConsoleColors: false,
};
