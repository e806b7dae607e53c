import { noteDifferenced } from './differenced.ts';
import { runSync } from './drive.ts';
import {
  differenceJacobian,
  jacobianSource,
  noteSizes,
  type DifferenceSteps,
  type JacobianSource,
} from './jacobian.ts';
import { anything, callable, checkOptions, finitePositive, objectWith, oneOf, show } from './options.ts';
import { makeRobust, robustLosses, type RobustLoss } from './robustLoss.ts';
import { checkResidualCount, checkVector } from './start.ts';
import { dot } from './vector.ts';
import { firstUnwritten, markUnwritten } from './unwritten.ts';
import type { ParamSet } from './paramSet.ts';
import type { Objective, Precision, Problem, Residuals } from './problem.ts';
import type { Bounds } from './question.ts';

/** Settings of {@link leastSquares}: the sum of squares to minimize. */
export interface LeastSquaresSettings {
  /** Start, `[n]`. */
  readonly p0: Float64Array;
  /** Number m of residuals. */
  readonly residualCount: number;
  /**
   * Writes the residuals, and their Jacobian unless that is null. If it never writes the Jacobian, differences are
   * used.
   */
  readonly residuals: Residuals;
  /**
   * Writes J(x)·v into `product`, `[m]`. Together with {@link LeastSquaresSettings.vectorJacobian}, it serves
   * problems whose Jacobian would be too large, so that `residuals` writes none. Give both or neither.
   */
  readonly jacobianVector?:
    | ((this: void, x: Float64Array, v: Float64Array, product: Float64Array) => void)
    | undefined;
  /** Writes J(x)ᵀu into `product`, `[n]`. */
  readonly vectorJacobian?:
    | ((this: void, x: Float64Array, u: Float64Array, product: Float64Array) => void)
    | undefined;
  /** Holds the solution after a solve. */
  readonly params?: ParamSet | undefined;
  /** Arithmetic of `residuals`. @defaultValue `'float64'` */
  readonly precision?: Precision | undefined;
  /**
   * Loss of each residual; f is then Σ scale²·ρ((rᵢ/scale)²), twice SciPy's cost.
   *
   * @defaultValue `'linear'`: the square
   */
  readonly loss?: RobustLoss | undefined;
  /** Size above which a residual counts as an outlier, in units of the residuals. @defaultValue `1` */
  readonly scale?: number | undefined;
}

/**
 * Creates a problem from residuals, f(x) = Σ rᵢ(x)², for `levenbergMarquardt()` and every other solver.
 *
 * The Jacobian must be written completely or not at all. Without it, finite differences are used, at n or 2n
 * evaluations each.
 *
 * There may be fewer residuals than unknowns, as in networks; `curveFit` rejects that.
 *
 * @throws RangeError if `residualCount`, `precision`, `loss` or `scale` is wrong, or a setting is unknown
 * @throws TypeError if `p0` is not a Float64Array or `residuals` is not a function
 *
 * @example
 * ```js
 * import { leastSquares, levenbergMarquardt, minimize } from 'quasi-newton';
 *
 * // Fits a·exp(b·t) to four points.
 * const data = [[0, 2], [1, 1.2], [2, 0.7], [3, 0.45]];
 * const problem = leastSquares({
 *   p0: Float64Array.of(1, -1),
 *   residualCount: data.length,
 *   residuals([a, b], residuals, jacobian) {
 *     data.forEach(([t, y], i) => {
 *       const e = Math.exp(b * t);
 *       residuals[i] = a * e - y;
 *       jacobian?.set([e, a * t * e], 2 * i); // may be left out
 *     });
 *   },
 * });
 * console.log(minimize(problem, levenbergMarquardt()).x);
 * ```
 */
export function leastSquares(settings: LeastSquaresSettings): Problem & { readonly residuals: Residuals } {
  checkSettings(settings);
  const { p0, residualCount: m, precision = 'float64', loss = 'linear', scale = 1 } = settings;
  const n = p0.length;
  const r = new Float64Array(m);
  const sizes = new Float64Array(n);
  let jacobian: Float64Array | null = null; // allocated for the first gradient
  let source: JacobianSource = 'unknown';
  let isFirst = true;
  /** Point that `r` and `jacobian` belong to; a solver that starts there need not compute them again. */
  let known: Float64Array | null = null;

  const products = productsOf(settings);

  function residuals(x: Float64Array, out: Float64Array, outJacobian: Float64Array | null): void {
    const at = known;
    known = null;
    if (at !== null && jacobian !== null && outJacobian !== null && at.every((value, j) => value === x[j])) {
      out.set(r);
      outJacobian.set(jacobian);
      return;
    }
    compute(x, out, outJacobian);
  }

  function compute(x: Float64Array, r: Float64Array, jacobian: Float64Array | null): void {
    markUnwritten(r);
    const answer: unknown = settings.residuals(x, r, jacobian);
    checkSynchronous(answer);
    if (isFirst) checkResiduals(r, answer);
    else checkWritten(r, x);
    isFirst = false;
    if (loss !== 'linear') makeRobust(loss, scale, r, jacobian);
  }

  const fg: Objective = (x, gradient) => evaluate(x, gradient, null);
  noteDifferenced(fg, { evaluate, isDifferenced: () => source === 'differences' });

  function evaluate(x: Float64Array, gradient: Float64Array | null, bounds: Bounds | null): number {
    known = null;
    if (gradient !== null && products !== null) {
      compute(x, r, null);
      products.vectorJacobian(x, r, gradient);
      for (let j = 0; j < n; j++) gradient[j] *= 2;
      return dot(r, r);
    }
    if (gradient === null) {
      compute(x, r, null);
      return dot(r, r);
    }
    jacobian ??= new Float64Array(m * n);
    compute(x, r, source === 'differences' ? null : jacobian.fill(NaN));
    const isStart = source === 'unknown';
    if (isStart) source = jacobianSource('leastSquares', r, jacobian);
    if (isStart && source === 'own') checkFiniteJacobian(jacobian, n);
    if (source === 'differences') {
      noteSizes(sizes, x);
      // At the start, a few digits suffice.
      const scheme = isStart ? '2-point' : '3-point';
      const shortens = isStart || precision === 'float32' ? undefined : 0;
      const steps: DifferenceSteps = { scheme, precision, sizes, bounds, shortens };
      const failed = runSync(differenceJacobian(x, r, jacobian, steps), {
        p0,
        fg: () => NaN,
        residuals: compute,
      });
      if (failed >= 0) jacobian.fill(NaN);
      else if (isStart) known = x.slice();
    }
    gradientOfSquares(r, jacobian, gradient);
    return dot(r, r);
  }

  return {
    p0,
    residualCount: m,
    precision,
    ...(settings.params && { params: settings.params }),
    residuals,
    ...products,
    fg,
  };
}

/**
 * Returns the products with the Jacobian of the robust residuals, whose rows are those of the plain Jacobian
 * times factors.
 */
function productsOf(settings: LeastSquaresSettings) {
  const { jacobianVector, vectorJacobian, loss = 'linear', scale = 1, residualCount: m } = settings;
  if (jacobianVector === undefined || vectorJacobian === undefined) return null;
  if (loss === 'linear') return { jacobianVector, vectorJacobian };
  const [r, factors, weighted] = [new Float64Array(m), new Float64Array(m), new Float64Array(m)];
  const findFactors = (x: Float64Array): void => {
    settings.residuals(x, r, null);
    makeRobust(loss, scale, r, factors.fill(1));
  };
  return {
    jacobianVector(x: Float64Array, v: Float64Array, product: Float64Array): void {
      findFactors(x);
      jacobianVector(x, v, product);
      for (let i = 0; i < m; i++) product[i] *= factors[i];
    },
    vectorJacobian(x: Float64Array, u: Float64Array, product: Float64Array): void {
      findFactors(x);
      for (let i = 0; i < m; i++) weighted[i] = factors[i] * u[i];
      vectorJacobian(x, weighted, product);
    },
  };
}

function checkSettings(settings: LeastSquaresSettings): void {
  if (typeof settings !== 'object' || settings === null) {
    throw new TypeError(
      `leastSquares: settings must be an object { p0, residualCount, residuals }, got ${show(settings)}.`,
    );
  }
  const { p0, residuals } = settings;
  checkVector('leastSquares', p0);
  if (typeof residuals !== 'function') {
    throw new TypeError(`leastSquares: residuals must be a function, got ${show(residuals)}.`);
  }
  const { residualCount: m, jacobianVector, vectorJacobian } = settings;
  checkResidualCount('leastSquares', m);
  if (m > MAX_RESIDUALS) {
    throw new RangeError(
      `leastSquares: residualCount is ${m}; the residuals alone would need ${((8 * m) / 1e9).toFixed(0)} GB, more than can be allocated. It is the number of residuals, not of elements of the Jacobian.`,
    );
  }
  for (const [name, value] of Object.entries({ jacobianVector, vectorJacobian })) {
    if (value !== undefined && typeof value !== 'function') {
      throw new TypeError(`leastSquares: ${name} must be a function, got ${show(value)}.`);
    }
  }
  if ((jacobianVector === undefined) !== (vectorJacobian === undefined)) {
    throw new TypeError(
      'leastSquares: jacobianVector and vectorJacobian are needed together; give both, or leave both out.',
    );
  }
  checkOptions('leastSquares', settings, rules, advice);
}

/** 16 GB of residuals. */
const MAX_RESIDUALS = 2 ** 31;

const rules = {
  // Checked before.
  p0: anything,
  residualCount: anything,
  residuals: callable,
  jacobianVector: callable,
  vectorJacobian: callable,
  params: objectWith('a ParamSet', 'copyFrom', 'copyInto'),
  precision: oneOf('float32', 'float64'),
  loss: oneOf(...robustLosses),
  scale: finitePositive,
};

const WRITES_JACOBIAN =
  'residuals(x, r, jacobian) writes the Jacobian into its third argument where that is not null.';
const TAKES_BOUNDS = 'bounds are options of the solver: levenbergMarquardt({ lower, upper }).';

/** Settings of SciPy's least_squares and of problems, which users may try here. */
const advice = {
  jacobian: WRITES_JACOBIAN,
  jac: WRITES_JACOBIAN,
  lower: TAKES_BOUNDS,
  upper: TAKES_BOUNDS,
  bounds: TAKES_BOUNDS,
  fun: 'residuals(x, r) is the function; it writes into r.',
  x0: 'p0 is the start.',
  f_scale: 'scale is its name here.',
  fg: 'it follows from residuals.',
};

/** Refuses a promise at any call: its results would come too late. */
function checkSynchronous(answer: unknown): void {
  if (!(answer instanceof Promise)) return;
  answer.catch(() => {}); // Nobody waits for it.
  throw new TypeError(
    'leastSquares: residuals must be synchronous; it returned a Promise. For residuals that take time, give minimizeAsync a problem { p0, fg, residuals, residualCount } whose methods return promises.',
  );
}

/** Refuses a Jacobian that is infinite at the first point. */
function checkFiniteJacobian(jacobian: Float64Array, n: number): void {
  const bad = jacobian.findIndex((value) => !Number.isFinite(value));
  if (bad < 0) return;
  throw new RangeError(
    `leastSquares: residuals wrote ${jacobian[bad]} into the Jacobian at row ${Math.floor(bad / n)}, column ${bad % n}, at the first point; start where every derivative is finite.`,
  );
}

/** Checks the residuals that the first call has written, and its return value. */
function checkResiduals(r: Float64Array, answer: unknown): void {
  const bad = r.findIndex(Number.isNaN);
  if (bad < 0) return;
  if (typeof answer === 'object' && answer !== null) {
    throw new TypeError(
      `leastSquares: residuals must write into its second argument; it returned ${show(answer)} and left residual ${bad} unwritten.`,
    );
  }
  throw new RangeError(
    `leastSquares: residual ${bad} of ${r.length} is NaN at the first point; it was not written, or the data or p0 make it NaN.`,
  );
}

/** Refuses residuals that a later call leaves unwritten; a NaN that was computed only means that x is not a solution. */
function checkWritten(r: Float64Array, x: Float64Array): void {
  const bad = Number.isNaN(dot(r, r)) ? firstUnwritten(r) : -1;
  if (bad < 0) return;
  const point =
    Array.from(x.subarray(0, 6), (value) => String(Number(value.toPrecision(6)))).join(', ') +
    (x.length > 6 ? ', …' : '');
  throw new TypeError(
    `leastSquares: residuals left residual ${bad} of ${r.length} unwritten at x = [${point}]; it must write all of them at every call: throw an error, or write NaN, where there is no value.`,
  );
}

/** `gradient ← 2Jᵀr`. */
export function gradientOfSquares(r: Float64Array, jacobian: Float64Array, gradient: Float64Array): void {
  const n = gradient.length;
  gradient.fill(0);
  for (let i = 0, row = 0; i < r.length; i++, row += n) {
    const twice = 2 * r[i];
    for (let j = 0; j < n; j++) gradient[j] += twice * jacobian[row + j];
  }
}
