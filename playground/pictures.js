import { contourf, convergence, landscapeAsync, onPlane, pcaPlane } from 'quasi-newton/landscape';

/** @import { AsyncProblem, Problem } from 'quasi-newton' */
/** @import { Data } from './data.js' */
/** @import { Racer } from './race.js' */

/**
 * Size and background of pictures, for the page that shows them.
 *
 * @typedef {{ width: number, height: number, background: string, fontSize: number }} View
 */

/** Maximum number of points of a curve; more would not be visible. */
const MOST = 400;

/**
 * @template T
 * @param {readonly T[]} list
 * @param {number} most
 */
function thinned(list, most) {
  const every = Math.max(1, Math.ceil(list.length / most));
  return list.filter((_, i) => i % every === 0 || i === list.length - 1);
}

/** Draws the losses of all racers against their evaluations. @type {(racers: readonly Racer[], view: View) => string} */
export function lossCurves(racers, view) {
  const traces = racers.map(({ name, color, evaluations, losses }) => ({
    name,
    color,
    runs: [{ x: thinned(evaluations, MOST), y: thinned(losses, MOST) }],
  }));
  const labels = { xlabel: 'evaluations of loss and gradient', ylabel: 'loss' };
  return convergence(traces, { ...view, ...labels, runs: false, band: false }).toSVG();
}

/**
 * Draws the loss in the plane through the best point that the paths stay closest to, with the paths.
 *
 * @param {Problem | AsyncProblem} problem
 * @param {readonly Racer[]} racers
 * @param {number} npoints
 * @param {View} view
 * @param {AbortSignal} signal
 * @param {() => Promise<void>} breathe
 * @returns {Promise<string | undefined>} undefined until the paths span a plane
 */
export async function pathsOnLandscape(problem, racers, npoints, view, signal, breathe) {
  const moved = racers.filter(({ points }) => points.length > 1);
  const best = bestOf(moved);
  const paths = moved.map(({ points, pointLosses }) => ({
    points,
    losses: pointLosses,
  }));
  const all = paths.flatMap(({ points }) => points);
  if (!best || all.length < 6) return undefined;
  const plane = pcaPlane([...all, best.points[best.points.length - 1]]);
  /** @type {AsyncProblem['fg']} */
  const fg = async (x, gradient) => {
    await breathe();
    return problem.fg(x, gradient);
  };
  const data = await landscapeAsync(
    { p0: plane.center ?? all[0], fg },
    { directions: plane, npoints, signal },
  );
  return contourf(data, {
    ...view,
    zscale: 'log',
    color: 'viridis',
    levels: 12,
    upsample: 2,
    zlabel: 'loss',
    paths: moved.map(({ name, color }, i) => ({
      name,
      color,
      path: onPlane(data.plane, paths[i].points, paths[i].losses),
    })),
  }).toSVG();
}

/** Returns the racer with the lowest loss. @type {(racers: readonly Racer[]) => Racer | undefined} */
export const bestOf = (racers) =>
  racers.reduce(
    (/** @type {Racer | undefined} */ best, racer) =>
      best === undefined || lowest(racer) < lowest(best) ? racer : best,
    undefined,
  );

/** @param {Racer} racer */
const lowest = ({ pointLosses }) => pointLosses[pointLosses.length - 1] ?? Infinity;

/**
 * Draws the targets and the prediction of each racer.
 *
 * @param {Data} data - with one number to predict
 * @param {readonly { name: string, color: string, values: ArrayLike<number> }[]} predictions
 * @param {View} view
 */
export function fits({ samples, inputs, x, y }, predictions, view) {
  const order = Array.from({ length: samples }, (_, i) => i);
  const isCurve = inputs === 1;
  order.sort((a, b) => (isCurve ? x[a] - x[b] : y[a] - y[b]));
  const run = (/** @type {ArrayLike<number>} */ values) => ({
    x: order.map((i, k) => (isCurve ? x[i] : k)),
    y: order.map((i) => values[i]),
  });
  const truth = { name: 'data', color: '#888888', runs: [run(y)] };
  const traces = [
    truth,
    ...predictions.map(({ name, color, values }) => ({ name, color, runs: [run(values)] })),
  ];
  const labels = isCurve
    ? { xlabel: 'x', ylabel: 'y' }
    : { xlabel: 'samples in the order of their target', ylabel: 'target' };
  return convergence(traces, { ...view, ...labels, yscale: 'linear', runs: false, band: false }).toSVG();
}
