import * as q from 'quasi-newton';
import { solvers as known } from './settings.js';

/** @import { AsyncProblem, Problem, Solver } from 'quasi-newton' */
/** @import { Settings } from './settings.js' */

/**
 * A solver that takes part.
 *
 * @typedef {object} Racer
 * @property {string} key
 * @property {string} name
 * @property {string} color
 * @property {Solver} solver
 * @property {number[]} evaluations - at each point of its path
 * @property {number[]} losses
 * @property {Float64Array[]} points - a subset of its path, including the first and the last point
 * @property {number[]} pointLosses
 * @property {number} seconds - time spent on its own steps
 * @property {number} next - next iteration whose point is kept
 * @property {boolean} isKept - true if the last point is kept when the next one arrives
 * @property {string} ending - in a few words; empty while it runs
 */

/** Ratio of successive iterations whose points are kept for the landscape: the longest steps come first. */
const GROWTH = 1.1;

/** @param {Settings} settings @returns {Racer[]} */
export function racersOf({ solvers, rate }) {
  const learningRate = Number(rate);
  const makers = {
    adam: () => q.adam({ learningRate }),
    soap: () => q.soap({ learningRate }),
    conjugateGradient: () => q.conjugateGradient(),
    lbfgs: () => q.lbfgs(),
    bfgs: () => q.bfgs(),
    ssbroyden: () => q.ssbroyden(),
  };
  return solvers.map((key) => {
    const id = /** @type {keyof typeof makers} */ (key);
    const path = { evaluations: [], losses: [], points: [], pointLosses: [] };
    return {
      key,
      ...known[id],
      solver: makers[id](),
      ...path,
      seconds: 0,
      next: 0,
      isKept: false,
      ending: '',
    };
  });
}

/**
 * Runs all racers on one problem from one start; they take turns of one evaluation.
 *
 * @param {Problem | AsyncProblem} problem
 * @param {readonly Racer[]} racers
 * @param {{ evaluations: number, signal: AbortSignal, breathe: () => Promise<void> }} options - `breathe` is awaited
 *   before each evaluation
 */
export async function race(problem, racers, { evaluations, signal, breathe }) {
  const p0 = problem.p0.slice();
  const { params, precision } = problem;
  // From each mark to the next lap, one racer works: its solver takes a part of a step, or the problem evaluates.
  let mark = performance.now();
  await Promise.all(
    racers.map(async (racer) => {
      const lap = () => {
        const now = performance.now();
        racer.seconds += (now - mark) / 1000;
        mark = now;
      };
      /** @type {AsyncProblem['fg']} */
      const fg = async (x, gradient) => {
        lap();
        await breathe();
        signal.throwIfAborted();
        mark = performance.now();
        const f = await problem.fg(x, gradient);
        lap();
        return f;
      };
      const own = { p0, fg, ...(params && { params }), ...(precision && { precision }) };
      const result = await q.minimizeAsync(own, racer.solver, {
        maxIterations: evaluations,
        maxEvaluations: evaluations,
        storeTrace: false,
        callback: ({ x, f, evaluations: spent }) => note(racer, x, f, spent),
      });
      racer.ending = endings[result.termination] ?? result.termination;
    }),
  );
}

/** @type {(racer: Racer, x: Float64Array, f: number, evaluations: number) => void} */
function note(racer, x, f, evaluations) {
  const iteration = racer.losses.push(f) - 1;
  racer.evaluations.push(evaluations);
  // The last point is kept only if it was scheduled.
  if (racer.points.length > 0 && !racer.isKept) {
    racer.points.pop();
    racer.pointLosses.pop();
  }
  racer.points.push(x.slice());
  racer.pointLosses.push(f);
  racer.isKept = iteration >= racer.next;
  if (racer.isKept) racer.next = Math.max(iteration + 1, Math.ceil(GROWTH * iteration));
}

/** The reason that a run ended, in a few words. @type {Readonly<Partial<Record<import('quasi-newton').Termination, string>>>} */
const endings = {
  gradientTolerance: 'converged',
  precisionFloor: 'as far as float32 goes',
  maxIterations: 'budget spent',
  maxEvaluations: 'budget spent',
  lineSearchFailed: 'found no step',
  nonFinite: 'NaN or infinite',
};
