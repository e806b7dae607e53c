import {
  anything,
  boolean,
  checkOptions,
  finitePositive,
  isList,
  list,
  object,
  oneOf,
  show,
  type Filled,
} from '../../core/options.ts';
import { leastSquares } from '../../core/leastSquares.ts';
import { robustLosses } from '../../core/robustLoss.ts';
import { completeSolveOptions, plainSolveRules } from '../../core/solveOptions.ts';
import { firstNonFinite, norm2 } from '../../core/vector.ts';
import { checkParametersUntouched, scipyNames, type Hole } from './commonMistakes.ts';
import {
  readParameters,
  type NameOf,
  type ParameterSet,
  type Start,
  type Values,
  type AnyStart,
  type Known,
} from './parameters.ts';
import { reportOf } from './report.ts';
import type { FitProblem } from './linearized.ts';
import { solveRescaled } from './rescaleFit.ts';
import { summarize } from './summarize.ts';
import type { Precision } from '../../core/problem.ts';
import type { FitData } from './data.ts';
import type { CurveFitOptions } from './curveFit.ts';
import type { CurveFit } from './result.ts';

/** Options of {@link leastSquaresFit}; most are those of `curveFit`. */
export interface LeastSquaresFitOptions<S extends Start = AnyStart> extends Pick<
  CurveFitOptions<S>,
  | 'lower'
  | 'upper'
  | 'fixed'
  | 'tied'
  | 'loss'
  | 'scale'
  | 'maxIterations'
  | 'maxEvaluations'
  | 'maxTime'
  | 'signal'
> {
  /**
   * True if residuals are in units of their standard deviations, false if these are not known: errors are then scaled so
   * that the reduced χ² is 1.
   *
   * @defaultValue `false`
   */
  readonly absoluteSigma?: boolean | undefined;
}

/** The result of {@link leastSquaresFit}, similar to {@link CurveFit}; `String(fit)` is a report. */
export interface LeastSquaresFit<Name extends string = string> extends Omit<
  CurveFit<Name>,
  'predict' | 'confidence' | 'rSquared' | 'points' | 'y' | 'fitted' | 'sigma' | 'skipped'
> {
  /** Residuals at the solution, `[m]`. */
  readonly residuals: Float64Array;
}

const WHERE = 'leastSquaresFit';

/**
 * Minimizes the sum of the squares of residuals, and estimates the uncertainty of the parameters: like `curveFit`, for
 * problems other than one curve through points, such as several curves that share parameters, or distances.
 *
 * Derivatives are computed by differences. For many unknowns, your own derivatives or other solvers, make a problem with
 * `leastSquares`.
 *
 * @param residuals - returns the residuals, `[m]`, for parameters in the form of the start: an array or an object
 * @param p0 - start: an array, or an object by name
 * @throws RangeError, TypeError naming what is wrong with the start, the options or the residuals
 *
 * @example
 * ```js
 * import { leastSquaresFit } from 'quasi-newton';
 *
 * // A circle through points.
 * const points = [[2.1, 0], [0.1, 2.9], [-2, 0.9], [0, -1.1], [1.5, 2.4]];
 * const distances = ({ u, v, radius }) => points.map(([x, y]) => Math.hypot(x - u, y - v) - radius);
 * console.log(String(leastSquaresFit(distances, { u: 0, v: 0, radius: 1 })));
 * ```
 */
export function leastSquaresFit<S extends Start>(
  residuals: (parameters: Values<S>) => ArrayLike<number>,
  p0: S,
  options: LeastSquaresFitOptions<Known<S>> = {},
): LeastSquaresFit<NameOf<S>> {
  if (typeof residuals !== 'function')
    throw new TypeError(`${WHERE}: residuals must be a function, got ${show(residuals)}.`);
  check(options);
  const { lower, upper, fixed = [], tied = {}, loss = 'linear', scale = 1, ...more } = options;
  const { absoluteSigma = false, ...limits } = more;
  const parameters = readParameters(p0, { lower, upper, fixed, tied }, WHERE);
  const counted = countedResiduals(residuals as (parameters: unknown) => unknown, parameters);
  const fit = problemOf(
    counted,
    parameters,
    { loss, scale },
    completeSolveOptions(WHERE, limits, plainSolveRules),
  );
  const { solution, scaled } = solveRescaled(fit, (theta, r) => r.set(counted.at(theta)));
  const values = counted.at(solution.x);
  const whole = summarize({
    data: zerosAt(values.length),
    parameters,
    model: {
      values: (_, theta, out) => out.set(counted.at(theta)),
      precision: counted.precision,
      derivatives: null,
    },
    fitted: values,
    scaled,
    solution,
    hole: counted.hole(),
    absoluteSigma,
    loss,
    evaluations: counted.evaluations(),
  });
  return resultOf(whole, values) as LeastSquaresFit<NameOf<S>>;
}

/** Evaluates the residuals at the start, and makes the problem to solve. */
function problemOf(
  counted: CountedResiduals,
  parameters: ParameterSet,
  robust: Pick<Filled<LeastSquaresFitOptions>, 'loss' | 'scale'>,
  limits: FitProblem['limits'],
): FitProblem {
  const pick = (all: Float64Array): Float64Array => Float64Array.from(parameters.varied, (j) => all[j]);
  const p0 = pick(parameters.start);
  const first = counted.at(p0);
  checkFirst(first, parameters);
  const residuals = (theta: Float64Array, r: Float64Array): void => r.set(counted.at(theta));
  const [residualCount, precision] = [first.length, counted.precision()];
  return {
    problem: leastSquares({ p0, residualCount, residuals, precision, ...robust }),
    hasJacobian: false,
    lower: pick(parameters.lower),
    upper: pick(parameters.upper),
    size: norm2(first), // the best guess is that rounding errors are relative to terms of this size
    limits,
  };
}

/** Returns data for a curve with the value rᵢ at point i, which goes through all of them if the residuals are 0. */
const zerosAt = (m: number): FitData => ({
  x: Array.from({ length: m }, (_, i) => i),
  y: new Float64Array(m),
  rootWeights: new Float64Array(m).fill(1),
  correlationRoot: null,
  sigma: 1,
  skipped: 0,
});

/** Returns the parts of a curve's fit that apply to any residuals. */
function resultOf(whole: CurveFit, residuals: Float64Array): LeastSquaresFit {
  const { rSquared: _, points: __, y: ___, fitted: ____, sigma: _____, skipped, ...data } = whole;
  const methods = {
    intervals: (level?: number) => whole.intervals(level),
    profile: (level?: number, names?: readonly string[]) => whole.profile(level, names),
  };
  const result = { ...data, residuals };
  const toString = (): string => reportOf({ ...data, skipped });
  for (const [name, value] of Object.entries({ ...methods, toString })) {
    Object.defineProperty(result, name, { value, enumerable: false });
  }
  Object.defineProperty(result, Symbol.for('nodejs.util.inspect.custom'), { value: toString });
  return result;
}

type CountedResiduals = ReturnType<typeof countedResiduals>;

/** Returns the residuals as a function of the parameters that vary; their number must stay that of the first call. */
function countedResiduals(
  residuals: (parameters: unknown) => unknown,
  { names, expand, present }: ParameterSet,
) {
  let [evaluations, count] = [0, -1];
  let precision: Precision = 'float64';
  let hole: Hole | null = null;
  return {
    at(theta: Float64Array): Float64Array {
      const all = expand(theta);
      const given = present(all.slice());
      const values = residuals(given);
      evaluations++;
      checkParametersUntouched(`${WHERE}: residuals`, all, given, names);
      const r = checkedValues(values);
      if (count < 0) count = r.length;
      if (r.length !== count) {
        throw new RangeError(
          `${WHERE}: residuals returned ${r.length} values; at first there were ${count}.`,
        );
      }
      if (values instanceof Float32Array) precision = 'float32';
      const bad = hole === null ? firstNonFinite(r) : -1;
      if (bad >= 0) hole = { value: r[bad], subject: `Residual ${bad}`, theta: theta.slice() };
      return r;
    },
    precision: () => precision,
    evaluations: () => evaluations,
    hole: () => hole,
  };
}

function checkedValues(values: unknown): Float64Array {
  if (!isList(values)) {
    const hint = values instanceof Promise ? '; it must be synchronous' : '';
    throw new TypeError(
      `${WHERE}: residuals must return an array of numbers, got ${show(values)}${hint}. leastSquares() takes functions that write into an array.`,
    );
  }
  const numbers = Array.from(values);
  const bad = numbers.findIndex((value) => typeof value !== 'number');
  if (bad < 0) return Float64Array.from(numbers as number[]);
  throw new TypeError(`${WHERE}: residual ${bad} must be a number, got ${show(numbers[bad])}.`);
}

function checkFirst(r: Float64Array, { varied }: ParameterSet): void {
  if (r.length < varied.length) {
    throw new RangeError(
      `${WHERE}: ${varied.length} parameters vary, and there are ${r.length} residuals; fix some of them. leastSquares() accepts fewer residuals, as networks may have.`,
    );
  }
  const bad = firstNonFinite(r);
  if (bad < 0) return;
  throw new RangeError(`${WHERE}: residual ${bad} is ${r[bad]} for p0; start where all are finite.`);
}

function check<S extends Start>(options: LeastSquaresFitOptions<S>): void {
  checkOptions(
    WHERE,
    options,
    {
      absoluteSigma: boolean,
      lower: anything,
      upper: anything,
      fixed: list,
      tied: object,
      loss: oneOf(...robustLosses),
      scale: finitePositive,
      maxIterations: plainSolveRules.maxIterations,
      maxEvaluations: plainSolveRules.maxEvaluations,
      maxTime: plainSolveRules.maxTime,
      signal: plainSolveRules.signal,
    },
    {
      ...scipyNames,
      jac: DIFFERENCES,
      jacobian: DIFFERENCES,
      Dfun: DIFFERENCES,
      p0: 'the start is the second argument.',
    },
  );
}

const DIFFERENCES = 'derivatives are computed by differences here; leastSquares() takes a Jacobian.';
