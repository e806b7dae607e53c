// Judges one mutant after the other for scripts/mutate.js: `{ file, code, tests }` → `{ status, by }`.
import { createVitest } from 'vitest/node';

/** @type {{ file: string, code: string } | null} */
let mutant = null;
/** @type {string[]} */
let order = [];

class GivenOrder {
  /** @param {import('vitest/node').TestSpecification[]} specifications */
  sort(specifications) {
    return specifications.toSorted((a, b) => order.indexOf(a.moduleId) - order.indexOf(b.moduleId));
  }
  /** @param {import('vitest/node').TestSpecification[]} specifications */
  shard(specifications) {
    return specifications;
  }
}

const vitest = await createVitest(
  'test',
  {
    config: 'vitest.mutation.config.ts',
    watch: false,
    bail: 1,
    pool: 'threads',
    isolate: false,
    maxWorkers: 1,
    fileParallelism: false,
    reporters: [{}],
    outputFile: {},
    sequence: { sequencer: GivenOrder },
  },
  {
    plugins: [
      {
        name: 'mutant',
        enforce: 'pre',
        transform: (_code, id) => (mutant !== null && id === mutant.file ? mutant.code : null),
      },
    ],
  },
);
const specifications = await vitest.globTestSpecifications();

/** @param {{ file: string, code: string, tests: string[] }} next */
async function judge(next) {
  if (mutant !== null) vitest.invalidateFile(mutant.file);
  mutant = next;
  order = next.tests;
  vitest.invalidateFile(mutant.file);
  vitest.state.filesMap.clear();
  vitest.state.errorsSet.clear();
  const chosen = specifications.filter(({ moduleId }) => next.tests.includes(moduleId));
  const { testModules, unhandledErrors } = await vitest.runTestSpecifications(chosen);
  const failed = testModules.find((module) => !module.ok());
  const status = failed || unhandledErrors.length > 0 ? 'killed' : 'survived';
  const times = testModules.map((module) => [module.moduleId, module.diagnostic().duration]);
  process.send?.({ status, by: failed?.moduleId ?? null, times });
}

process.on(
  'message',
  (/** @type {{ file: string, code: string, tests: string[] }} */ next) => void judge(next),
);
process.send?.({ ready: specifications.map(({ moduleId }) => moduleId) });
