import { checkOptions, finitePositive, oneOf } from '../core/options.ts';
import { gradientOfSquares } from '../core/leastSquares.ts';
import { addScaled, dot, normInf, roundToFloat32 } from '../core/vector.ts';
import { factor, solveFactored } from './cholesky.ts';
import type { Asks, EvaluateResiduals } from '../core/question.ts';
import type { Iterate, Setting, Solver, StepOutcome } from '../core/solver.ts';

/** Options of {@link levenbergMarquardt}. */
export interface LevenbergMarquardtOptions {
  /** The first damping λ. @defaultValue `1e-3` */
  readonly damping?: number;
  /**
   * D: the identity, or the largest norms that the columns of J have had, so that the units of x do not matter.
   * The identity has got farther on networks, whose unknowns are of one kind.
   *
   * @defaultValue `'identity'`
   */
  readonly scaling?: 'identity' | 'columns';
}

/** The residuals, their Jacobian, and the damping. */
export interface LevenbergMarquardtState extends Iterate {
  /** r(x), `[m]` */
  residuals: Float64Array;
  /** `[m, n]` row by row, its columns divided by `scale` */
  readonly jacobian: Float64Array;
  /** D, `[n]` */
  readonly scale: Float64Array;
  trial: Float64Array;
  trialResiduals: Float64Array;
  /** δ, `[n]`, in units of `scale` until it is taken. */
  readonly step: Float64Array;
  /** Scratch: JᵀJ or JJᵀ, whichever is smaller, and its factor, `[k, k]` each. */
  readonly normal: Float64Array;
  readonly factor: Float64Array;
  /** Scratch of the dual form, `[m]`, or empty. */
  readonly dual: Float64Array;
  damping: number;
  /** By how much a rejected step raises the damping. */
  growth: number;
  /** Whether residuals and Jacobian are those of x. */
  ready: boolean;
  readonly byColumns: boolean;
  readonly rounded: boolean;
  readonly stochastic: boolean;
}

/** A decrease predicted below this part of f would drown in its rounding. */
const ROUNDING = 2 ** -52;
/** No step is tried at a damping above this. */
const MAX_DAMPING = 1e32;

/**
 * Levenberg–Marquardt for sums of squares f(x) = Σ rᵢ(x)²: curve fitting, and small PINNs.
 *
 * Each step minimises ‖r + Jδ‖² + λ‖Dδ‖². With n unknowns and m residuals it takes O(mn·min(m, n)) work: where
 * m < n the system is solved in its dual form, δ = −Jᵀ(JJᵀ + λI)⁻¹r. The problem must have residuals;
 * `leastSquares` makes one.
 *
 * @throws RangeError naming an option that is wrong
 * @see Moré (1978), The Levenberg–Marquardt algorithm, Lecture Notes in Mathematics 630, for D by columns; Nielsen (1999),
 *   Damping parameter in Marquardt's method, IMM-REP-1999-05, eq. (2.4) and (2.5), for λ
 */
export function levenbergMarquardt(options: LevenbergMarquardtOptions = {}): Solver<LevenbergMarquardtState> {
  checkOptions('levenbergMarquardt', options, {
    damping: finitePositive,
    scaling: oneOf('identity', 'columns'),
  });
  const { damping = 1e-3, scaling = 'identity' } = options;

  function* step(state: LevenbergMarquardtState): Asks<StepOutcome> {
    if (!state.ready || state.stochastic) yield* linearise(state);
    formNormal(state);
    while (state.damping < MAX_DAMPING) {
      const predicted = solveDamped(state);
      if (predicted <= ROUNDING * state.f) return { kind: 'failed', termination: 'precisionFloor' };
      addScaled(state.x, 1, state.step, state.trial);
      if (state.rounded) roundToFloat32(state.trial);
      const trialF = yield ask(state.trial, state.trialResiduals, null);
      const gain = (state.f - trialF) / predicted;
      if (trialF < state.f) {
        const moved = normInf(state.step);
        [state.x, state.trial] = [state.trial, state.x];
        yield* linearise(state);
        state.damping *= Math.max(1 / 3, 1 - (2 * gain - 1) ** 3);
        state.growth = 2;
        return { kind: 'accepted', alpha: 1, moved };
      }
      state.damping *= state.growth;
      state.growth *= 2;
    }
    state.damping = damping;
    state.growth = 2;
    return { kind: 'failed', termination: 'lineSearchFailed' };
  }

  return {
    name: 'levenbergMarquardt',
    descends: true,
    describe: () => 'Levenberg–Marquardt',
    init: (setting) => initialState(setting, damping, scaling),
    step,
  };
}

function initialState(
  { n, precision, stochastic = false, residualCount: m = 0 }: Setting,
  damping: number,
  scaling: 'identity' | 'columns',
) {
  if (m === 0) {
    throw new TypeError(
      'levenbergMarquardt: the problem has no residuals; leastSquares({ p0, residualCount, residuals }) makes one that has.',
    );
  }
  const k = Math.min(m, n);
  return {
    x: new Float64Array(n),
    gradient: new Float64Array(n),
    f: NaN,
    residuals: new Float64Array(m),
    jacobian: new Float64Array(m * n),
    scale: new Float64Array(n).fill(scaling === 'columns' ? 0 : 1),
    trial: new Float64Array(n),
    trialResiduals: new Float64Array(m),
    step: new Float64Array(n),
    normal: new Float64Array(k * k),
    factor: new Float64Array(k * k),
    dual: new Float64Array(m < n ? m : 0),
    damping,
    growth: 2,
    ready: false,
    byColumns: scaling === 'columns',
    rounded: precision === 'float32',
    stochastic,
  };
}

const ask = (x: Float64Array, residuals: Float64Array, jacobian: Float64Array | null): EvaluateResiduals => ({
  kind: 'residuals',
  x,
  residuals,
  jacobian,
});

/** Asks for r and J at x, and scales J's columns. */
function* linearise(state: LevenbergMarquardtState): Asks<void> {
  const { x, residuals, jacobian, gradient, scale } = state;
  state.f = yield ask(x, residuals, jacobian);
  gradientOfSquares(residuals, jacobian, gradient);
  const n = x.length;
  state.ready = true;
  if (!state.byColumns) return;
  for (let j = 0; j < n; j++) {
    let square = 0;
    for (let i = j; i < jacobian.length; i += n) square += jacobian[i] * jacobian[i];
    scale[j] = Math.max(scale[j], Math.sqrt(square));
  }
  for (let row = 0; row < jacobian.length; row += n) {
    for (let j = 0; j < n; j++) if (scale[j] > 0) jacobian[row + j] /= scale[j];
  }
}

/** `normal ← JᵀJ`, or JJᵀ where that is smaller; the lower triangle alone. */
function formNormal({ jacobian, normal, dual, x }: LevenbergMarquardtState): void {
  const n = x.length;
  const m = dual.length;
  if (m > 0) {
    for (let i = 0; i < m; i++) {
      for (let l = 0; l <= i; l++) {
        let sum = 0;
        for (let j = 0; j < n; j++) sum += jacobian[i * n + j] * jacobian[l * n + j];
        normal[i * m + l] = sum;
      }
    }
    return;
  }
  normal.fill(0);
  for (let row = 0; row < jacobian.length; row += n) {
    for (let i = 0; i < n; i++) {
      const a = jacobian[row + i];
      if (a === 0) continue;
      for (let j = 0; j <= i; j++) normal[i * n + j] += a * jacobian[row + j];
    }
  }
}

/** `step ← δ`; returns the decrease of f that the linear model predicts, NaN where rounding spoils it. */
function solveDamped(state: LevenbergMarquardtState): number {
  const { normal, factor: matrix, gradient, scale, step, dual, residuals, jacobian, damping } = state;
  const n = step.length;
  const k = dual.length > 0 ? dual.length : n;
  matrix.set(normal);
  for (let i = 0; i < k; i++) matrix[i * k + i] += damping;
  if (!factor(matrix, k, k)) return NaN;
  if (dual.length > 0) {
    dual.set(residuals);
    solveFactored(matrix, k, k, dual);
    step.fill(0);
    for (let i = 0, row = 0; i < k; i++, row += n) {
      for (let j = 0; j < n; j++) step[j] -= dual[i] * jacobian[row + j];
    }
  } else {
    for (let j = 0; j < n; j++) step[j] = scale[j] > 0 ? -gradient[j] / (2 * scale[j]) : 0;
    solveFactored(matrix, k, k, step);
  }
  // ‖r‖² − ‖r + Jδ‖² = −∇fᵀδ/2 + λ‖Dδ‖², for δ of the normal equations.
  const penalty = damping * dot(step, step);
  for (let j = 0; j < n; j++) step[j] = scale[j] > 0 ? step[j] / scale[j] : 0;
  return penalty - dot(gradient, step) / 2;
}
