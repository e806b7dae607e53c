import { factor } from '../../core/kernels/cholesky.ts';
import { solveFactored } from '../../core/kernels/choleskyColumns.ts';
import { EPSILON } from '../../core/epsilon.ts';
import { dot, scaleInto } from '../../core/vector.ts';
import { timesJacobian } from './dampedSystem.ts';
import { iterative, multiplied, vectorJacobian } from './iterative.ts';
import { obstacleIn } from './obstacle.ts';
import type { Asks } from '../../core/question.ts';
import type { LinearSolver } from './linearSolver.ts';
import type { LevenbergMarquardtState } from './state.ts';

/** Relative distance of ‖Jᵀw‖² from wᵀ(JJᵀ)w from which the two are of different matrices. */
const APART = { float32: 1e-2, float64: 1e-6 };

/**
 * Solves the damped system by Cholesky factors of JJᵀ + λI, which the problem gives, and products Jᵀu:
 * δ = −Jᵀ(JJᵀ + λI)⁻¹r. J itself is never formed, and Jδ = −JJᵀ(JJᵀ + λI)⁻¹r takes no product with it. D is the identity,
 * and no unknown is held.
 *
 * @see Novak, Sohl-Dickstein & Schoenholz (2022), arXiv:2206.08720, for JJᵀ without J
 */
export const dual: LinearSolver = {
  *linearize(state, box, known) {
    if (!(yield* iterative.linearize(state, box, known))) return false;
    state.ready = false;
    yield { kind: 'jacobianGram', x: state.x, product: state.normal };
    const obstacle = obstacleIn('jacobianGram', state.normal, state.x);
    state.obstacle = obstacle || state.obstacle;
    state.ready = obstacle === '';
    return state.ready;
  },

  columnNorms: (state) => iterative.columnNorms(state),
  prepare() {},

  *solve(state) {
    const { normal, factor: matrix, dual, residuals, step, slope, damping } = state;
    const m = residuals.length;
    matrix.set(normal);
    for (let i = 0; i < m; i++) matrix[i * m + i] += damping;
    if (!factor(matrix, m, m)) return NaN;
    yield* pull(state, residuals, step);
    timesJacobian(normal, dual, slope);
    scaleInto(-1, slope, slope);
    checkSame(state);
    return dot(slope, slope) + 2 * damping * dot(step, step);
  },

  multiply: (state) => iterative.multiply(state),

  solveAgain: (state) => pull(state, state.curvature, state.second),
};

/** `out ← −Jᵀ(JJᵀ + λI)⁻¹b`; the vector that Jᵀ is multiplied by stays in `dual`. */
function* pull(state: LevenbergMarquardtState, b: Float64Array, out: Float64Array): Asks<void> {
  const { dual, factor: matrix, x } = state;
  dual.set(b);
  solveFactored(matrix, b.length, b.length, dual);
  yield* multiplied(state, vectorJacobian(x, dual, out));
  scaleInto(-1, out, out);
}

function traceOf({ normal, residuals: { length: m } }: LevenbergMarquardtState): number {
  let trace = 0;
  for (let i = 0; i < m; i++) trace += normal[i * m + i];
  return trace;
}

/**
 * Compares JJᵀ with the products Jᵀu by the step, for which both give the norm.
 *
 * @throws TypeError if they differ by more than rounding
 */
function checkSame(state: LevenbergMarquardtState): void {
  const { dual, slope, step, rounded } = state;
  const precision = rounded ? 'float32' : 'float64';
  const [one, other] = [dot(step, step), -dot(dual, slope)];
  const rounding = 100 * EPSILON[precision] * traceOf(state) * dot(dual, dual);
  if (!(Math.abs(one - other) > APART[precision] * Math.max(one, other) + rounding)) return;
  throw new TypeError(
    `jacobianGram and vectorJacobian do not belong to one Jacobian: for the same u, ‖Jᵀu‖² is ${one.toPrecision(7)} and uᵀ(JJᵀ)u ${other.toPrecision(7)}. Correct them, or leave jacobianGram out: { ...problem, jacobianGram: undefined }.`,
  );
}
