// `npm run mutate`: docs/decisions/mutation-testing.md says how to run it and what it leaves out.
// `npm run mutate -- -m src/solvers/adam.ts` mutates one file.

/** @type {import('@stryker-mutator/api/core').PartialStrykerOptions} */
export default {
  testRunner: 'vitest',
  vitest: { configFile: 'vitest.mutation.config.ts', related: false },
  mutate: ['src/core/**/*.ts', 'src/solvers/**/*.ts', '!src/core/kernels/simdBytes.ts'],
  ignorePatterns: ['/docs', '/dist', '/out', '/examples', '/bench/results'],
  coverageAnalysis: 'perTest',
  // What runs while a module loads can be tried by all tests only, 10 s each: messages and tables of rules, mostly.
  ignoreStatic: true,
  concurrency: 2,
  timeoutMS: 10_000,
  incremental: true,
  incrementalFile: 'out/mutation/incremental.json',
  // Stryker reads tsconfig.json by TypeScript's old programming interface, which TypeScript 7 lacks; Vitest needs neither.
  tsconfigFile: 'out/mutation/none.json',
  disableTypeChecks: false,
  tempDirName: 'out/mutation/sandbox',
  reporters: ['clear-text', 'json', 'html'],
  clearTextReporter: { logTests: false, reportTests: false, allowColor: false },
  jsonReporter: { fileName: 'out/mutation/report.json' },
  htmlReporter: { fileName: 'out/mutation/report.html' },
  thresholds: { high: 95, low: 90, break: null },
  allowConsoleColors: false,
};
