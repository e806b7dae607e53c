import {
  anything,
  boolean,
  callable,
  checkOptions,
  finitePositive,
  list,
  object,
  oneOf,
  show,
} from '../../core/options.ts';
import { leastSquares } from '../../core/leastSquares.ts';
import { robustLosses, type RobustLoss } from '../../core/robustLoss.ts';
import { completeSolveOptions, plainSolveRules } from '../../core/solveOptions.ts';
import { dot, firstNonFinite, norm2, normInf } from '../../core/vector.ts';
import { whiten, type CovarianceMatrix, type Errors } from './correlatedErrors.ts';
import { readData, showPoint, type FitData, type Point, type Sigma } from './data.ts';
import { checkSlopes } from './checkSlopes.ts';
import { guardedPoints, scipyNames, type Hole } from './commonMistakes.ts';
import { misread } from './misread.ts';
import { modelOf, type FitModel, type GivenModel, type Slopes } from './model.ts';
import {
  readParameters,
  type AnyStart,
  type KeyOf,
  type Known,
  type Limits,
  type NameOf,
  type ParameterSet,
  type Start,
  type Ties,
  type Values,
} from './parameters.ts';
import { solveRescaled } from './rescaleFit.ts';
import type { FitProblem } from './linearized.ts';
import { summarize } from './summarize.ts';
import type { Residuals } from '../../core/problem.ts';
import type { CurveFit } from './result.ts';

/** Options of {@link curveFit}. */
export interface CurveFitOptions<S extends Start = AnyStart, X = Point> {
  /**
   * Standard deviation σ of y, one number or one for each point. If the errors are correlated, their covariance matrix,
   * `[m, m]` as an array of rows, whose diagonal has the variances σ².
   *
   * @defaultValue unknown, and the same for all
   */
  readonly sigma?: Sigma | CovarianceMatrix | undefined;
  /** 1/σ² of each point, instead of `sigma`. */
  readonly weights?: ArrayLike<number> | undefined;
  /**
   * True if `sigma` is known, false if only its ratios are: errors are then scaled so that the reduced χ² is 1.
   *
   * @defaultValue `false`
   */
  readonly absoluteSigma?: boolean | undefined;
  /** Bounds of the parameters, in order or by name. */
  readonly lower?: Limits<S> | undefined;
  readonly upper?: Limits<S> | undefined;
  /** Parameters that keep their start, by name or index. */
  readonly fixed?: readonly KeyOf<S>[] | undefined;
  /** Parameters that are functions of others: `{ b: ({ a }) => 2 * a }`. */
  readonly tied?: Ties<S> | undefined;
  /** Points with a value that is missing (null, NaN, infinite) are refused or left out. @defaultValue `'refuse'` */
  readonly missing?: 'refuse' | 'skip' | undefined;
  /** Loss of a residual (y − f)/σ; see `leastSquares`. @defaultValue `'linear'` */
  readonly loss?: RobustLoss | undefined;
  /** Residual above which a point counts as an outlier, in units of σ. @defaultValue `1` */
  readonly scale?: number | undefined;
  /**
   * Derivatives of the model at a point x with respect to each parameter: in the order of the start, or by name, without
   * those of fixed parameters if you like. With `vectorized`, a list of these, one for each point. At the start they are
   * compared with differences, and refused if they disagree.
   *
   * @defaultValue differences of the model
   */
  jacobian?: ((this: void, x: X, parameters: Values<S>) => Slopes | ArrayLike<Slopes>) | undefined;
  /**
   * True if the model takes all points at once and returns an array. If that is a Float32Array, the fit expects 7 digits,
   * and uses suitable steps for its derivatives.
   *
   * @defaultValue `false`
   */
  readonly vectorized?: boolean | undefined;
  /** Maximum number of iterations. @defaultValue `1000` */
  readonly maxIterations?: number | undefined;
  /**
   * Maximum number of evaluations of the model; the derivatives at the solution take more.
   *
   * @defaultValue `Infinity`
   */
  readonly maxEvaluations?: number | undefined;
  /** Maximum duration in seconds. @defaultValue `Infinity` */
  readonly maxTime?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Least ‖y/σ‖, and the inverse of the largest: χ² is still a normal number. */
const SMALLEST = 1e-152;

/**
 * Fits a model to data by least squares, and estimates the uncertainty of its parameters.
 *
 * Derivatives are computed by differences, or by `jacobian`. Invalid data, bounds and starts are refused before the fit
 * begins.
 *
 * @param model - returns the value at a point x, for parameters in the form of the start: an array or an object
 * @param xdata - `[m]` numbers, or arrays of numbers for a model of several variables
 * @param ydata - `[m]`
 * @param p0 - start: an array, or an object by name
 * @throws RangeError, TypeError naming what is wrong with the data, the start, the options or the model
 *
 * @example
 * ```js
 * import { curveFit } from 'quasi-newton';
 *
 * const t = [0, 1, 2, 3, 4, 5];
 * const y = [5.1, 3.3, 2.4, 1.8, 1.4, 1.3];
 * const decay = (t, { amplitude, rate, offset }) => amplitude * Math.exp(-rate * t) + offset;
 * const fit = curveFit(decay, t, y, { amplitude: 4, rate: 1, offset: 0 });
 * console.log(String(fit)); // parameters ± standard errors, correlations, χ², …
 * console.log(fit.predict([6]).confidence);
 * ```
 *
 * @see Bates & Watts (1988), Nonlinear Regression Analysis and Its Applications, Wiley
 */
export function curveFit<X extends Point, S extends Start>(
  model: (x: readonly X[], parameters: Values<S>) => ArrayLike<number>,
  xdata: ArrayLike<X | null>,
  ydata: ArrayLike<number | null>,
  p0: S,
  options: CurveFitOptions<Known<S>, readonly X[]> & { readonly vectorized: true },
): CurveFit<NameOf<S>>;
export function curveFit<X extends Point, S extends Start>(
  model: (x: X, parameters: Values<S>) => number,
  xdata: ArrayLike<X | null>,
  ydata: ArrayLike<number | null>,
  p0: S,
  options?: CurveFitOptions<Known<S>, X>,
): CurveFit<NameOf<S>>;
export function curveFit<S extends Start>(
  given: GivenModel,
  xdata: ArrayLike<Point | null>,
  ydata: ArrayLike<number | null>,
  p0: S,
  options: CurveFitOptions<S, never> = {},
): CurveFit<NameOf<S>> {
  checkArguments(given, options);
  const { sigma, weights, absoluteSigma = false, missing = 'refuse', vectorized = false, ...more } = options;
  const { lower, upper, fixed = [], tied = {}, loss = 'linear', scale = 1, jacobian, ...limits } = more;
  const data = readData({ xdata, ydata, sigma, weights, missing });
  const parameters = readParameters(p0, { lower, upper, fixed, tied });
  checkCount(data, parameters);

  const model = modelOf({ model: given, jacobian, vectorized }, parameters);
  checkLoss(loss, data);
  const { residuals, independent, fittedAt, evaluations, hole } = residualsOf(model, data);
  const pick = (all: Float64Array): Float64Array => Float64Array.from(parameters.varied, (j) => all[j]);
  const start = pick(parameters.start);
  checkStart(residuals, start, data, (at) => misread({ model: given, vectorized }, data.x, at, p0));
  const plain = { p0: start, residualCount: data.y.length, residuals, precision: model.precision() };
  if (model.derivatives !== null)
    checkSlopes(leastSquares({ ...plain, residuals: independent }), data, parameters);
  const fit: FitProblem = {
    problem: leastSquares({ ...plain, loss, scale }),
    hasJacobian: model.derivatives !== null,
    lower: pick(parameters.lower),
    upper: pick(parameters.upper),
    size: norm2(whiten(data, data.y.slice())),
    limits: completeSolveOptions('curveFit', limits, plainSolveRules),
  };
  checkSize(fit.size, data);
  const values: Residuals = (theta, r) => {
    r.set(fittedAt(theta));
    whiten(data, r);
  };
  const { solution, scaled } = solveRescaled(fit, values);
  const fitted = fittedAt(solution.x);
  const finished = { data, parameters, model, fitted, scaled, solution, hole: hole(), absoluteSigma, loss };
  return summarize({ ...finished, evaluations: evaluations() }) as CurveFit<NameOf<S>>;
}

/**
 * Returns the weighted residuals of a model, and caches those at the last point, which is often requested again;
 * `independent` ignores correlations of errors, so that a row belongs to a point.
 */
function residualsOf(model: FitModel, data: FitData) {
  const { x, y } = data;
  let evaluations = 0;
  const fitted = new Float64Array(y.length);
  let last: Float64Array | null = null;
  let hole: Hole | null = null;
  const checkUntouched = guardedPoints(x);
  const fittedAt = (theta: Float64Array): Float64Array => {
    if (last?.every((value, j) => value === theta[j])) return fitted;
    last = null; // the model may throw
    evaluations++;
    model.values(x, theta, fitted);
    checkUntouched('model');
    const bad = hole === null ? firstNonFinite(fitted) : -1;
    if (bad >= 0) {
      const subject = `The model at x = ${showPoint(x[bad])}`;
      hole = { value: fitted[bad], subject, theta: theta.slice() };
    }
    last = theta.slice();
    return fitted;
  };
  const residualsWith =
    (errors: Errors): Residuals =>
    (theta, r, jacobian) => {
      const values = fittedAt(theta);
      for (let i = 0; i < r.length; i++) r[i] = values[i] - y[i];
      whiten(errors, r);
      if (jacobian === null || model.derivatives === null) return;
      model.derivatives(x, theta, jacobian);
      checkUntouched('jacobian');
      whiten(errors, jacobian, theta.length);
    };
  const independent = residualsWith({ ...data, correlationRoot: null });
  return {
    residuals: residualsWith(data),
    independent,
    fittedAt,
    evaluations: () => evaluations,
    hole: () => hole,
  };
}

function checkArguments<S extends Start>(model: GivenModel, options: CurveFitOptions<S, never>): void {
  if (typeof model !== 'function')
    throw new TypeError(`curveFit: model must be a function, got ${show(model)}.`);
  checkOptions(
    'curveFit',
    options,
    {
      sigma: anything,
      weights: list,
      absoluteSigma: boolean,
      lower: anything,
      upper: anything,
      fixed: list,
      tied: object,
      missing: oneOf('refuse', 'skip'),
      loss: oneOf(...robustLosses),
      scale: finitePositive,
      jacobian: callable,
      vectorized: boolean,
      maxIterations: plainSolveRules.maxIterations,
      maxEvaluations: plainSolveRules.maxEvaluations,
      maxTime: plainSolveRules.maxTime,
      signal: plainSolveRules.signal,
    },
    scipyNames,
  );
  if (options.absoluteSigma && options.sigma === undefined && options.weights === undefined) {
    throw new RangeError(
      'curveFit: absoluteSigma needs sigma or weights; without them, errors follow from the scatter.',
    );
  }
}

function checkCount({ y, skipped }: FitData, { varied }: ParameterSet): void {
  if (y.length >= varied.length) return;
  const left = skipped > 0 ? ` (${skipped} missing left out)` : '';
  throw new RangeError(
    `curveFit: ${varied.length} parameters vary, and there are ${y.length} points${left}; fix some of them or measure more.`,
  );
}

/** Refuses losses that judge each point by itself if the errors of the points are correlated. */
function checkLoss(loss: RobustLoss, { correlationRoot }: FitData): void {
  if (loss === 'linear' || correlationRoot === null) return;
  throw new RangeError(
    `curveFit: loss: '${loss}' judges each point by itself, which correlated errors do not allow; leave it out, or give sigma as one standard deviation for each point.`,
  );
}

/** Refuses data whose sum of squares would underflow or overflow. */
function checkSize(size: number, data: FitData): void {
  const { y } = data;
  if ((size > SMALLEST && size < 1 / SMALLEST) || y.every((value) => value === 0)) return;
  throw new RangeError(
    `curveFit: y/σ reaches ${normInf(whiten(data, y.slice())).toExponential(1)}, too ${size < 1 ? 'small' : 'large'} to compute with its square; give y, and sigma with it, in another unit.`,
  );
}

/**
 * Refuses a model that is not finite at the start.
 *
 * @param cause - returns what the model does wrong if it is NaN at a point; empty if that is unknown
 */
function checkStart(
  residuals: Residuals,
  start: Float64Array,
  { x, y }: FitData,
  cause: (at: number) => string,
): void {
  const r = new Float64Array(y.length);
  residuals(start, r, null);
  const bad = r.findIndex((value) => !Number.isFinite(value));
  if (bad < 0) {
    if (Number.isFinite(dot(r, r))) return;
    throw new RangeError(
      `curveFit: the residuals at p0 reach ${normInf(r).toExponential(1)}, and their squares overflow; start nearer to the data, or give y in a larger unit.`,
    );
  }
  const isNaN = Number.isNaN(r[bad]);
  const advice = (isNaN && cause(bad)) || 'start where it is finite at every point';
  throw new RangeError(
    `curveFit: the model is ${isNaN ? 'NaN' : 'infinite'} at point ${bad} (x = ${showPoint(x[bad])}) for p0; ${advice}.`,
  );
}
