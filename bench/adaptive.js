// Adaptive grids compared with full ones: evaluations, true largest error, and the error that the grid itself estimates.
// A 2-8-8-2 classifier in each backend, at four stages of its training. Where a fifth of the points does not reach an
// error of a quarter of a band, half of the points are tried, too.
import { lbfgs, minimizeAsync } from 'quasi-newton';
import { landscapeAsync } from 'quasi-newton/landscape';
import { printTable } from '../examples/lib/report.js';
import { quadrants } from './lib/quadrants.js';

/** @import { LandscapeData } from 'quasi-newton/landscape' */

export const title = 'Adaptive grids beside whole ones';

const npoints = 65;
/** Iterations of L-BFGS before the landscape, seed of the plane, and scale of the drawing. */
const places = /** @type {const} */ ([
  { name: 'start, linear', iterations: 0, seed: 2, scale: 'linear' },
  { name: 'trained, linear', iterations: 8, seed: 4, scale: 'linear' },
  { name: 'trained, log', iterations: 8, seed: 5, scale: 'log' },
  { name: 'minimum, log', iterations: 25, seed: 5, scale: 'log' },
]);

/** Prints a table; errors are in color bands, of which there are 20 between the robust limits of the full grid. */
export async function run() {
  const rows = [];
  for (const [backend, make] of Object.entries(quadrants)) {
    for (const { name, iterations, seed, scale } of places) {
      const problem = await make();
      const center =
        iterations === 0
          ? problem.p0
          : (await minimizeAsync(problem, lbfgs(), { maxIterations: iterations })).x;
      const options = { npoints, seed, center, normalize: /** @type {const} */ ('filter') };
      const whole = await landscapeAsync(problem, options);
      for (const budget of [0.2, 0.5]) {
        const some = await landscapeAsync(problem, { ...options, adaptive: { scale, budget } });
        rows.push([`${backend}, ${name}`, `${100 * budget} %`, ...compared(some, whole, scale)]);
        if (some.adaptive?.reached) break;
      }
    }
  }
  printTable(
    ['65 × 65 points', 'Budget', 'Evaluated', 'Largest error', 'Estimated', 'Mean', 'Within ¼ band'],
    rows,
  );
}

/**
 * Returns the fraction of points evaluated, and true and estimated errors.
 *
 * @param {LandscapeData} some
 * @param {LandscapeData} whole
 * @param {'linear' | 'log'} scale
 */
function compared(some, whole, scale) {
  const { adaptive } = some;
  if (adaptive === undefined) throw new Error('there is no report of the adaptive grid');
  const shown = (/** @type {number} */ z) => (scale === 'log' ? Math.log10(z) : z);
  const truth = Array.from(whole.z, shown);
  const band = bandOf(truth.toSorted((a, b) => a - b));
  const errors = truth.map((value, cell) => Math.abs(value - shown(some.z[cell])) / band);
  return [
    `${((100 * adaptive.evaluations) / adaptive.of).toFixed(1)} %`,
    Math.max(...errors).toFixed(2),
    adaptive.estimatedError.toFixed(2),
    (errors.reduce((sum, error) => sum + error, 0) / errors.length).toFixed(3),
    adaptive.reached ? 'said' : 'not said',
  ];
}

/** @param {readonly number[]} sorted */
function bandOf(sorted) {
  const at = (/** @type {number} */ p) => sorted[Math.round(p * (sorted.length - 1))];
  const reach = at(0.98) - at(0.02);
  return (Math.min(at(1), at(0.98) + reach) - Math.max(at(0), at(0.02) - reach)) / 20;
}
