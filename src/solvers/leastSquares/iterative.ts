import { checkAdjoint } from '../../core/adjoint.ts';
import { askResiduals, noteSizes } from '../../core/jacobian.ts';
import { randomSigns } from '../../core/randomSigns.ts';
import { addScaled, dot, firstNonFinite, norm2, scaleInto } from '../../core/vector.ts';
import { solveBidiagonal, solveNormal, squareOfProduct, type Bidiagonal, type Damped } from './bidiagonal.ts';
import { obstacleIn } from './obstacle.ts';
import type { Asks, JacobianVector, VectorJacobian } from '../../core/question.ts';
import type { LinearSolver } from './linearSolver.ts';
import type { LevenbergMarquardtState } from './state.ts';

/** The system at one point; it lives for one step. */
interface Krylov extends Bidiagonal {
  damped: Damped;
  /** True if a product was not finite: there is no step. */
  isBroken: boolean;
  /** Next column of V, `[n]`, once α has been found for it. */
  readonly next: Float64Array;
  /** Scratch: a direction of x, and its product. */
  readonly direction: Float64Array;
  readonly product: Float64Array;
}

/** Columns of V, and their bytes, are limited. */
const MAX_COLUMNS = 300;
const MAX_BYTES = 2 ** 29;
/** A new column that orthogonalization shrinks to this part has nothing new. */
const BREAKDOWN = 1e-13;
/** Random signs whose products estimate column norms. */
const PROBES = 12;

/** Returns the limit of the number of columns of V for n unknowns. */
export const mostColumns = (n: number): number =>
  Math.min(n, MAX_COLUMNS, Math.max(2, Math.floor(MAX_BYTES / (8 * n))));

const krylovs = new WeakMap<LevenbergMarquardtState, Krylov>();

/**
 * Solves the damped system only by products Jv and Jᵀu, in a Krylov space of D⁻¹JᵀJD⁻¹: what conjugate gradients with
 * the preconditioner D² would find, for all λ at once.
 *
 * V is kept and made orthogonal at each step, so that small singular values count. Each pair of products is compared: Jv and
 * Jᵀu must be those of one matrix.
 *
 * @see Simon & Zha (2000), Low-rank matrix approximation using the Lanczos bidiagonalization process, SIAM J. Sci.
 *   Comput. 21(6), doi:10.1137/S1064827597327309, for V alone
 */
export const iterative: LinearSolver = {
  *linearize(state, _box, known) {
    const { x, residuals, gradient } = state;
    state.ready = false;
    noteSizes(state.sizes, x);
    if (!known) state.f = yield askResiduals(x, residuals, null);
    yield vectorJacobian(x, residuals, gradient);
    scaleInto(2, gradient, gradient);
    if (firstNonFinite(gradient) >= 0) {
      state.obstacle = obstacleIn('vectorJacobian', gradient, x);
      return false;
    }
    state.ready = true;
    return true;
  },

  /** By random signs z: the squares of Jᵀz are those of the norms on average (Hutchinson). */
  *columnNorms({ x, residuals }) {
    const [signs, product] = [new Float64Array(residuals.length), new Float64Array(x.length)];
    const squares = new Float64Array(x.length);
    const sign = randomSigns();
    for (let probe = 0; probe < PROBES; probe++) {
      for (let i = 0; i < signs.length; i++) signs[i] = sign();
      yield vectorJacobian(x, signs, product);
      for (let j = 0; j < product.length; j++) squares[j] += product[j] ** 2 / PROBES;
    }
    return squares.map(Math.sqrt);
  },

  prepare(state) {
    krylovs.set(state, started(state));
  },

  *solve(state) {
    const krylov = krylovs.get(state) ?? started(state);
    const { alpha, beta, right } = krylov;
    const { x, step, damping } = state;
    if (right.length === 0) return NaN;
    const most = mostColumns(x.length);
    for (;;) {
      // The next column is there once its product has been asked for.
      if (alpha.length === right.length && !krylov.isBroken) yield* grow(krylov, state);
      if (krylov.isBroken) return NaN;
      krylov.damped = solveBidiagonal(krylov, damping);
      const { y } = krylov.damped;
      const k = right.length;
      const rest = alpha[k] * beta[k] * Math.abs(y[k - 1]);
      if (!(rest > state.tolerance * alpha[0] * beta[0]) || k === most) break;
      right.push(krylov.next.slice());
    }
    const { y } = krylov.damped;
    combine(krylov, state, y, step);
    yield* iterative.multiply(state);
    return squareOfProduct(krylov, y) + 2 * damping * dot(y, y);
  },

  *multiply(state) {
    yield* multiplied(state, jacobianVector(state.x, state.step, state.slope));
  },

  /** Within the space of δ₁: by one more product. */
  *solveAgain(state) {
    const krylov = krylovs.get(state) ?? started(state);
    const { right, damped, direction } = krylov;
    yield* multiplied(state, vectorJacobian(state.x, state.curvature, direction));
    unscale(state, direction, direction);
    const y = Float64Array.from(right, (column) => -dot(column, direction));
    solveNormal(damped, y);
    combine(krylov, state, y, state.second);
  },
};

export const jacobianVector = (x: Float64Array, v: Float64Array, product: Float64Array): JacobianVector => ({
  kind: 'jacobianVector',
  x,
  v,
  product,
});

/** Asks for a product; notes its first element that is not finite, and returns false if there is one. */
export function* multiplied(
  state: LevenbergMarquardtState,
  question: JacobianVector | VectorJacobian,
): Asks<boolean> {
  yield question;
  const obstacle = obstacleIn(question.kind, question.product, question.x);
  state.obstacle = obstacle || state.obstacle;
  return obstacle === '';
}

export const vectorJacobian = (x: Float64Array, u: Float64Array, product: Float64Array): VectorJacobian => ({
  kind: 'vectorJacobian',
  x,
  u,
  product,
});

/** `out ← D⁻¹v` over the free unknowns, 0 for the others. */
function unscale({ scale, free }: LevenbergMarquardtState, v: Float64Array, out: Float64Array): void {
  for (let j = 0; j < v.length; j++) out[j] = (free[j] * v[j]) / (scale[j] > 0 ? scale[j] : 1);
}

/** `out ← D⁻¹Vy`. */
function combine(
  { right }: Krylov,
  state: LevenbergMarquardtState,
  y: Float64Array,
  out: Float64Array,
): void {
  out.fill(0);
  right.forEach((column, k) => addScaled(out, y[k], column, out));
  unscale(state, out, out);
}

/** The first column of V, along the gradient: b is −r. */
function started(state: LevenbergMarquardtState): Krylov {
  const { residuals, gradient } = state;
  const size = norm2(residuals);
  const direction = new Float64Array(gradient.length);
  const left = residuals.map((r) => -r / (size || 1));
  unscale(state, gradient, direction);
  const alpha = norm2(direction) / (2 * size);
  const right = alpha > 0 ? [direction.map((value) => -value / (2 * size * alpha))] : [];
  const product = new Float64Array(residuals.length);
  const nothing = new Float64Array(0);
  const damped = { diagonal: nothing, above: nothing, y: nothing };
  return {
    right,
    left,
    alpha: [alpha],
    beta: [size],
    damped,
    isBroken: false,
    next: direction.slice(),
    direction,
    product,
  };
}

/** Finds β and the next column of U, then α and the next column of V, in `next`. */
function* grow(krylov: Krylov, state: LevenbergMarquardtState): Asks<void> {
  const { right, left, alpha, beta, next, direction, product } = krylov;
  const k = right.length;
  const last = right[k - 1];
  unscale(state, last, direction);
  krylov.isBroken = !(yield* multiplied(state, jacobianVector(state.x, direction, product)));
  if (krylov.isBroken) return;
  const precision = state.rounded ? 'float32' : 'float64';
  const pair = { v: direction, pushed: product, pulled: next };
  if (k === 1) {
    scaleInto(0.5, state.gradient, next); // Jᵀr
    checkAdjoint({ ...pair, u: state.residuals }, 0, precision);
  }
  addScaled(product, -alpha[k - 1], left, left);
  const size = norm2(left);
  const isNew = size > BREAKDOWN * alpha[0];
  beta.push(isNew ? size : 0);
  if (isNew) scaleInto(1 / size, left, left);
  else left.fill(0);
  krylov.isBroken = !(yield* multiplied(state, vectorJacobian(state.x, left, next)));
  if (krylov.isBroken) return;
  // What rounds is relative to ‖JD⁻¹‖, which is at least as large as these.
  checkAdjoint({ ...pair, u: left }, Math.max(...alpha, ...beta.slice(1)), precision);
  unscale(state, next, next);
  const before = norm2(next);
  // Twice is enough (Kahan).
  for (let round = 0; round < 2; round++) {
    for (const column of right) addScaled(next, -dot(column, next), column, next);
  }
  const rest = norm2(next);
  const continues = isNew && rest > BREAKDOWN * Math.max(before, alpha[0]);
  alpha.push(continues ? rest : 0);
  if (continues) scaleInto(1 / rest, next, next);
}
