import * as tf from '@tensorflow/tfjs';
import { adam, bfgs, minimize, slbfgs } from 'quasi-newton';
import { optfuns } from 'quasi-newton/tfjs';
import { sineData, sineNet } from './sine.js';

/**
 * Makes the sine problem of FluxOptTools.jl: the loss of a 1-5-5-1 network, its variables, and both as a problem.
 *
 * @param {number} seed
 */
export function sineProblem(seed) {
  const { x, y } = sineData();
  const net = sineNet(seed);
  /** @type {() => tf.Scalar} */
  const loss = () => tf.losses.meanSquaredError(y, /** @type {tf.Tensor} */ (net.apply(x))).asScalar();
  return { loss, ...optfuns(loss, net) };
}

/**
 * Runs Adam, SLBFGS and BFGS from one start; returns the points that they visit, with the loss at each.
 *
 * @param {ReturnType<typeof sineProblem>} problem - its variables are restored afterwards
 * @param {number} iterations
 */
export function descents(problem, iterations) {
  const { p0, params } = problem;
  const methods = [
    { name: 'Adam', solver: adam({ learningRate: 0.05 }), color: '#0072b2' },
    { name: 'SLBFGS', solver: slbfgs(), color: '#cc79a7' },
    { name: 'BFGS', solver: bfgs(), color: '#111111' },
  ];
  return methods.map(({ name, solver, color }) => {
    /** @type {Float64Array[]} */
    const points = [];
    /** @type {number[]} */
    const losses = [];
    const result = minimize(problem, solver, {
      maxIterations: iterations,
      gtol: 1e-4,
      callback: ({ x, f }) => {
        points.push(x.slice());
        losses.push(f);
      },
    });
    params.copyFrom(p0);
    return { name, color, points, losses, result };
  });
}

/**
 * Returns about `count` of the points, including the first and the last: hundreds of markers would hide the landscape.
 *
 * @param {{ points: Float64Array[], losses: number[] }} path
 * @param {number} count
 */
export function thinned({ points, losses }, count) {
  const every = Math.max(1, Math.ceil(points.length / count));
  const keep = points.map((_, t) => t).filter((t) => t % every === 0 || t === points.length - 1);
  return { points: keep.map((t) => points[t]), losses: keep.map((t) => losses[t]) };
}
