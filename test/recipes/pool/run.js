// What a pool of workers gives, as JSON: run by pool.test.ts under plain Node, where workers can load the package.
import { landscape, landscapeAsync, workerPool } from 'quasi-newton/landscape';
import makeProblem from './problem.js';

const module = new URL('./problem.js', import.meta.url);
const problem = makeProblem({ frequency: 2 });
const { metrics } = problem;
const options = { npoints: 21, metrics };
const pool = (/** @type {unknown} */ data, threads = 2) => workerPool(module, { data, threads });

const start = performance.now();
const here = landscape(problem, options);
const secondsHere = (performance.now() - start) / 1000;
let calls = 0;
const there = await landscapeAsync(problem, {
  ...options,
  executor: pool({ frequency: 2 }),
  onProgress: () => calls++,
});

/** @param {Promise<unknown>} promise */
const failure = (promise) =>
  promise.then(
    () => 'nothing',
    (error) => String(error),
  );
const controller = new AbortController();
setTimeout(() => controller.abort(new Error('enough')), 300);
console.log(
  JSON.stringify({
    same: Buffer.from(here.z.buffer).equals(Buffer.from(there.z.buffer)),
    sameMetric: Buffer.from(here.metrics.first.buffer).equals(Buffer.from(there.metrics.first.buffer)),
    calls,
    secondsHere,
    otherData: await failure(landscapeAsync(problem, { ...options, executor: pool({ frequency: 3 }) })),
    throwing: await failure(
      landscapeAsync(problem, { ...options, executor: pool({ frequency: 2, fail: true }) }),
    ),
    noMetric: await failure(
      landscapeAsync(problem, { npoints: 3, metrics: { other: () => 0 }, executor: pool({ frequency: 2 }) }),
    ),
    noModule: await failure(
      landscapeAsync(problem, { npoints: 3, executor: workerPool(new URL('./none.js', import.meta.url)) }),
    ),
    aborted: await failure(
      landscapeAsync(problem, {
        npoints: 401,
        executor: pool({ frequency: 2 }),
        signal: controller.signal,
      }),
    ),
  }),
);
