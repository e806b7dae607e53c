import type { Scheme } from '../../core/jacobian.ts';
import type { Setting } from '../../core/solver.ts';
import type { DampedSystem } from './dampedSystem.ts';
import type { LinearModel } from './linearModel.ts';

/** Way to solve for a step: with J and a factorization, with JJᵀ and a factorization, or with products only. */
export type Method = 'auto' | 'dense' | 'dual' | 'iterative';

interface MethodOptions {
  readonly method: Method;
  readonly tolerance: number;
  /** True if D may be the identity and no bound holds an unknown, as the dual form without J needs. */
  readonly isPlain: boolean;
}

/** Products are preferred from this many elements of J (a gigabyte) or multiplications for JᵀJ (seconds) on. */
const LARGE = 2 ** 27;
const LONG = 2e9;
/** From this many multiplications on, JJᵀ is requested from the problem instead of being computed from J. */
const WORTH_GRAM = 2e7;

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
  /** True if a radius controls the steps. */
  byRadius: boolean;
  /** Limit of ‖Dδ₁‖, if `byRadius`. */
  radius: number;
  /** First radius. */
  firstRadius: number;
  /** Least damping to try: with less, rounding left the matrix not positive definite. */
  least: number;
  /** Factor by which the next rejection raises the damping. */
  growth: number;
  /** True if the linear model predicted the last decrease well. */
  isStraight: boolean;
  /** f at the previous iterate. */
  before: number;
  readonly stochastic: boolean;
  /** True if products stand for J, which is empty. */
  readonly isIterative: boolean;
  /** True if JJᵀ and products stand for J. */
  isDual: boolean;
  /** An iterative step ends once its gradient has fallen to this fraction of the first. */
  readonly tolerance: number;
}

/**
 * Allocates a state.
 *
 * @param scheme - formula of differences to begin with
 * @throws TypeError if the problem has no residuals
 * @throws RangeError if it does not tell their number
 */
export function newState(
  setting: Setting,
  scheme: Scheme,
  { method, tolerance, isPlain }: MethodOptions,
): LevenbergMarquardtState {
  const { n, precision, stochastic = false, residualCount: m = 0 } = setting;
  const { isDual, isIterative } = formOf(setting, method, isPlain);
  const k = isDual ? m : isIterative ? 0 : Math.min(m, n);
  return {
    x: new Float64Array(n),
    gradient: new Float64Array(n),
    f: NaN,
    residuals: new Float64Array(m),
    jacobian: isIterative ? new Float64Array(0) : jacobianOf(m, n),
    isIterative,
    isDual,
    tolerance,
    scale: new Float64Array(n).fill(1),
    sizes: new Float64Array(n),
    free: new Float64Array(n).fill(1),
    source: 'unknown',
    scheme,
    byColumns: false,
    obstacle: '',
    ready: false,
    trial: new Float64Array(n),
    trialResiduals: new Float64Array(m),
    step: new Float64Array(n),
    second: new Float64Array(n),
    slope: new Float64Array(m),
    curvature: new Float64Array(m),
    normal: new Float64Array(k * k),
    factor: new Float64Array(k * k),
    dual: new Float64Array(isDual || (m < n && !isIterative) ? m : 0),
    ...freshDamping(),
    rounded: precision === 'float32',
    stochastic,
  };
}

/** Checks that the memory of {@link newState} can be allocated. */
export function checkState(setting: Setting, { method, isPlain }: Omit<MethodOptions, 'tolerance'>): void {
  const { isIterative } = formOf(setting, method, isPlain);
  if (!isIterative) jacobianOf(setting.residualCount ?? 0, setting.n);
}

/** Returns the form of the steps: from JJᵀ, or only by products with J. */
function formOf(setting: Setting, method: Method, isPlain: boolean) {
  const { n, residualCount: m = 0, jacobianProducts = false } = setting;
  const isDual = usesDual(setting, method, isPlain);
  const isLarge = m * n > LARGE || m * n * Math.min(m, n) > LONG;
  const isIterative = isDual || method === 'iterative' || (method === 'auto' && jacobianProducts && isLarge);
  return { isDual, isIterative };
}

/** Returns what steers the damping, before the first step. */
const freshDamping = () => ({
  damping: 0,
  first: 0,
  byRadius: false,
  radius: 0,
  firstRadius: 0,
  least: 0,
  unit: 0,
  growth: 2,
  isStraight: false,
  before: NaN,
});

/** Refuses residuals without their number. */
function checkCount(m: number): void {
  if (Number.isInteger(m) && m >= 1) return;
  throw new RangeError(
    `levenbergMarquardt: a problem with residuals must have their number, residualCount, a whole number ≥ 1; ${Number.isNaN(m) ? 'it has none' : `got ${m}`}. leastSquares({ p0, residualCount, residuals }) makes a problem.`,
  );
}

function checkMethod(method: Method, m: number, jacobianProducts: boolean): void {
  if (m === 0) {
    throw new TypeError(
      'levenbergMarquardt: the problem has no residuals, only a loss, as in model.fit; leastSquares({ p0, residualCount, residuals }) makes one that has, as do leastSquaresProblem of /tfjs and model.leastSquares of /onnx.',
    );
  }
  if (method === 'iterative' && !jacobianProducts) {
    throw new TypeError(
      "levenbergMarquardt: method 'iterative' needs a problem with the methods jacobianVector(x, v, product) and vectorJacobian(x, u, product); leave it out, or add them.",
    );
  }
}

/**
 * Checks that the problem has what the method needs; returns true if the step is computed from JJᵀ.
 *
 * @throws TypeError if the problem has no residuals, or not the products that the method needs
 * @throws RangeError if it does not tell their number
 */
function usesDual(setting: Setting, method: Method, isPlain: boolean): boolean {
  const { residualCount: m = 0, jacobianProducts = false } = setting;
  checkMethod(method, m, jacobianProducts);
  checkCount(m);
  return isDualFor(setting, method, isPlain);
}

/**
 * Returns true if the step is computed from JJᵀ, which the problem provides.
 *
 * @throws TypeError if this was requested and is not possible
 */
function isDualFor(setting: Setting, method: Method, isPlain: boolean): boolean {
  const { n, residualCount: m = 0, jacobianProducts = false, jacobianGram = false } = setting;
  const isThere = jacobianGram && jacobianProducts;
  if (method === 'dual' && !(isThere && isPlain)) {
    throw new TypeError(
      isPlain
        ? "levenbergMarquardt: method 'dual' needs a problem with the methods jacobianGram(x, product), jacobianVector and vectorJacobian; leave it out, or add them."
        : "levenbergMarquardt: method 'dual' takes neither bounds nor scaling: 'columns'; leave it out.",
    );
  }
  const pays = m <= n && m * m * n >= WORTH_GRAM && m ** 3 / 6 <= LONG;
  return method === 'dual' || (method === 'auto' && isThere && isPlain && pays);
}

function jacobianOf(m: number, n: number): Float64Array {
  try {
    return new Float64Array(m * n);
  } catch (error) {
    const size = (m * n * 8) / 1e9;
    throw new RangeError(
      `levenbergMarquardt: a Jacobian of ${m} × ${n} needs ${size.toFixed(2)} GB, more than can be allocated; give the problem the methods jacobianVector and vectorJacobian, or take lbfgs().`,
      { cause: error },
    );
  }
}

/** Exchanges the iterate and the trial point. */
export function swap(state: LevenbergMarquardtState): void {
  [state.x, state.trial] = [state.trial, state.x];
  [state.residuals, state.trialResiduals] = [state.trialResiduals, state.residuals];
}
