import type { Scheme } from '../../core/jacobian.ts';
import type { Setting } from '../../core/solver.ts';
import type { DampedSystem } from './dampedSystem.ts';
import type { LinearModel } from './linearModel.ts';

/** The linear model at x, the damped system, and the step. */
export interface LevenbergMarquardtState extends LinearModel, DampedSystem {
  trial: Float64Array;
  trialResiduals: Float64Array;
  /** δ₁, then the step, `[n]` */
  readonly step: Float64Array;
  /** δ₂, `[n]` */
  readonly second: Float64Array;
  /** Jδ₁, `[m]` */
  readonly slope: Float64Array;
  /** Second derivative of r along δ₁, `[m]` */
  readonly curvature: Float64Array;
  damping: number;
  /** First damping. */
  first: number;
  /** Largest squared column of the first J in units of D; 0 before there is one. */
  unit: number;
  /** Factor by which the next rejection raises the damping. */
  growth: number;
  /** True if the linear model predicted the last decrease well. */
  isStraight: boolean;
  /** f of the iterate before. */
  before: number;
  readonly stochastic: boolean;
}

/**
 * Allocates a state.
 *
 * @param scheme - formula of differences to begin with
 * @throws TypeError if the problem has no residuals
 */
export function newState(
  { n, precision, stochastic = false, residualCount: m = 0 }: Setting,
  scheme: Scheme,
): LevenbergMarquardtState {
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
    scale: new Float64Array(n).fill(1),
    sizes: new Float64Array(n),
    free: new Float64Array(n).fill(1),
    source: 'unknown',
    scheme,
    byColumns: false,
    ready: false,
    trial: new Float64Array(n),
    trialResiduals: new Float64Array(m),
    step: new Float64Array(n),
    second: new Float64Array(n),
    slope: new Float64Array(m),
    curvature: new Float64Array(m),
    normal: new Float64Array(k * k),
    factor: new Float64Array(k * k),
    dual: new Float64Array(m < n ? m : 0),
    damping: 0,
    first: 0,
    unit: 0,
    growth: 2,
    isStraight: false,
    before: NaN,
    rounded: precision === 'float32',
    stochastic,
  };
}
