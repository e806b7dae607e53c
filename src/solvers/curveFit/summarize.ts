import { checkOptions, numberBetween, show } from '../../core/options.ts';
import { terminations } from '../../core/termination.ts';
import type { RobustLoss } from '../../core/robustLoss.ts';
import { dot, normInf } from '../../core/vector.ts';
import { whiten } from './correlatedErrors.ts';
import {
  imageOf,
  gradientsOf,
  scaledBy,
  standardErrorOf,
  uncertaintyOf,
  type Uncertainty,
} from './covariance.ts';
import { predictBy, type Fitted, type PredictOptions } from './predict.ts';
import { profileOf, type Interval } from './profile.ts';
import { reportOf } from './report.ts';
import { studentQuantile } from './studentT.ts';
import type { FitData, Point } from './data.ts';
import type { FitModel } from './model.ts';
import type { ParameterSet } from './parameters.ts';
import { describeHole, type Hole } from './commonMistakes.ts';
import type { CurveFit, FitStatus, ParameterRole } from './result.ts';
import type { RescaledSolution } from './rescaleFit.ts';
import { isLimit, type FitSolution } from './solveFit.ts';

/** The parts of a finished fit. */
export interface FinishedFit {
  readonly data: FitData;
  readonly parameters: ParameterSet;
  readonly model: FitModel;
  /** Values of the model at the solution, `[m]` */
  readonly fitted: Float64Array;
  /** The fit in units in which it has been solved. */
  readonly scaled: RescaledSolution['scaled'];
  readonly solution: FitSolution;
  /** First value of the model that was not finite, if any. */
  readonly hole: Hole | null;
  readonly absoluteSigma: boolean;
  readonly loss: RobustLoss;
  readonly evaluations: number;
}

/** Adds statistics, methods and a report to a solution. */
export function summarize(finished: FinishedFit): CurveFit {
  const { data, parameters, fitted, solution, hole, absoluteSigma, loss, evaluations } = finished;
  const { names, varied } = parameters;
  const x = parameters.expand(solution.x);
  const degreesOfFreedom = data.y.length - varied.length;
  const deviation = absoluteSigma ? 1 : scatterOf(finished, degreesOfFreedom);
  const degrees = absoluteSigma ? Infinity : degreesOfFreedom;
  const uncertainty = uncertaintyOf(solution, varied.length);
  const roles = rolesOf(parameters, solution);
  const { covariance, correlation, standardErrors, isLoose } = matrices(
    parameters,
    roles,
    solution.x,
    uncertainty,
    deviation,
  );
  const statistics = goodness(data, fitted, varied.length);
  const result = {
    x,
    names,
    parameters: byName(names, x),
    roles,
    standardErrors,
    covariance,
    correlation,
    undetermined: names.filter((_, j) => isLoose[j]),
    atBound: names.filter((_, j) => roles[j] === 'at bound'),
    ...statistics,
    degreesOfFreedom,
    reducedChiSquare: degreesOfFreedom > 0 ? statistics.chiSquare / degreesOfFreedom : NaN,
    points: data.x,
    y: data.y,
    fitted,
    sigma: data.rootWeights.map((w) => 1 / w),
    skipped: data.skipped,
    converged: solution.converged,
    status: statusOf(solution),
    message:
      hole === null || solution.converged
        ? messageOf(solution, loss)
        : `${messageOf(solution, loss)} ${describeHole(hole, parameters)}`,
    evaluations,
  };
  return withMethods(result, methodsOf(finished, { x, deviation, degrees, uncertainty, standardErrors }));
}

/** Standard deviation of the residuals; Infinity without degrees of freedom. The sum of squares itself may overflow or underflow. */
const scatterOf = ({ scaled: { unit, f } }: FinishedFit, degreesOfFreedom: number): number =>
  degreesOfFreedom > 0 ? unit * Math.sqrt(f / degreesOfFreedom) : Infinity;

const byName = <T>(names: readonly string[], values: ArrayLike<T>): { [name: string]: T } =>
  Object.fromEntries(names.map((name, j) => [name, values[j]]));

type Methods = Pick<CurveFit, 'predict' | 'confidence' | 'intervals' | 'profile'>;

/** The statistics that the methods of a fit need. */
interface Spread {
  /** Values of all parameters. */
  readonly x: Float64Array;
  readonly deviation: number;
  readonly degrees: number;
  readonly uncertainty: Uncertainty;
  readonly standardErrors: Float64Array;
}

function methodsOf(finished: FinishedFit, spread: Spread): Methods {
  const { data, parameters, model, solution } = finished;
  const { names, varied } = parameters;
  const { x, deviation, degrees, uncertainty, standardErrors } = spread;
  const forBands: Fitted = {
    model,
    points: data.x,
    parameters,
    theta: solution.x,
    uncertainty,
    deviation,
    degrees,
    sigma: data.sigma,
  };
  return {
    predict: (points: ArrayLike<Point>, options: PredictOptions = {}) => predictBy(forBands, points, options),
    confidence: (points: ArrayLike<Point>, level = 0.95) => predictBy(forBands, points, { level }).confidence,
    intervals(level = 0.95) {
      const t = quantile('intervals', level, degrees);
      return byName(
        names,
        Array.from(x, (value, j) => {
          const width = scaledBy(t, standardErrors[j]);
          return { lower: value - width, upper: value + width };
        }),
      );
    },
    profile: <Key extends string>(level = 0.95, only?: readonly Key[]) =>
      profiles(finished, spread, level, only ?? varied.map((j) => names[j])) as { [Each in Key]: Interval },
  };
}

function quantile(where: string, level: number, degrees: number): number {
  checkOptions(where, { level }, { level: numberBetween(0, 1) });
  return studentQuantile(level, degrees);
}

/** Computes intervals of the named parameters from profiles of χ². */
function profiles(
  { parameters: { names, varied }, scaled }: FinishedFit,
  { deviation, degrees, standardErrors }: Spread,
  level: number,
  only: readonly string[],
): { [name: string]: Interval } {
  const t = quantile('profile', level, degrees);
  const intervals: { [name: string]: Interval } = {};
  for (const name of only) {
    const k = varied.indexOf(names.indexOf(name));
    if (k < 0) {
      throw new RangeError(
        `profile: no parameter ${show(name)} that varies; there are ${varied.map((j) => names[j]).join(', ')}.`,
      );
    }
    if (deviation === Infinity)
      throw new RangeError('profile: without degrees of freedom there are no intervals.');
    if (deviation === 0) {
      throw new RangeError(
        'profile: the fit is exact (χ² is 0): there is no scatter to derive intervals from.',
      );
    }
    const { fit, theta, f, unit, units } = scaled;
    const profiled = { fit, theta, f, variance: (deviation / unit) ** 2, quantile: t };
    const { lower, upper } = profileOf(profiled, k, standardErrors[varied[k]] / units[k]);
    intervals[name] = { lower: lower * units[k], upper: upper * units[k] };
  }
  return intervals;
}

/** Methods are not data: they stay out of spreads and JSON, and `console.log` shows the report in Node. */
function withMethods(result: Omit<CurveFit, keyof Methods | 'toString'>, methods: Methods): CurveFit {
  const curveFit: CurveFit = Object.assign(result, methods);
  const toString = (): string => reportOf(curveFit);
  for (const [name, value] of Object.entries({ ...methods, toString })) {
    Object.defineProperty(curveFit, name, { value, enumerable: false });
  }
  Object.defineProperty(curveFit, Symbol.for('nodejs.util.inspect.custom'), { value: toString });
  return curveFit;
}

function rolesOf({ names, varied, tied }: ParameterSet, { held }: FitSolution): ParameterRole[] {
  const atBound = new Set(held.map((k) => varied[k]));
  return names.map((_, j) => {
    if (tied.includes(j)) return 'tied';
    if (!varied.includes(j)) return 'fixed';
    return atBound.has(j) ? 'at bound' : 'varied';
  });
}

/** Computes covariance, correlation and standard errors of all parameters. */
function matrices(
  parameters: ParameterSet,
  roles: readonly ParameterRole[],
  theta: Float64Array,
  uncertainty: Uncertainty,
  deviation: number,
) {
  const { varied } = parameters;
  const gradients = gradientsOf(parameters, theta);
  const isHeld = (k: number): boolean => roles[varied[k]] === 'at bound';
  const isAtBound = (g: Float64Array): boolean =>
    g.some(Boolean) && g.every((slope, k) => slope === 0 || isHeld(k));
  // Without degrees of freedom, the scatter is unknown and errors are infinite, as in SciPy.
  const isUnknown = deviation === Infinity;
  const errors = gradients.map((g) =>
    isAtBound(g) ? NaN : standardErrorOf(uncertainty, g, isUnknown ? 1 : deviation),
  );
  const isLoose = errors.map((error) => error === Infinity);
  const standardErrors = Float64Array.from(errors, (error) => (isUnknown && error > 0 ? Infinity : error));
  const images = gradients.map((g) => imageOf(uncertainty, g, deviation));
  const covariance = images.map((g, i) =>
    Float64Array.from(images, (h, j) => {
      const [a, b] = [standardErrors[i], standardErrors[j]];
      if (i === j) return a ** 2;
      if (a === 0 || b === 0) return 0;
      return Number.isFinite(a) && Number.isFinite(b) ? dot(g, h) : NaN;
    }),
  );
  const inUnits = gradients.map((g, i) => g.map((slope) => slope / standardErrors[i]));
  const relative = inUnits.map((g) => imageOf(uncertainty, g, deviation));
  const correlation = relative.map((g, i) =>
    Float64Array.from(relative, (h, j) => {
      const [a, b] = [standardErrors[i], standardErrors[j]];
      if (!(a > 0 && b > 0 && a + b < Infinity)) return NaN;
      if (i === j) return 1;
      return Math.max(-1, Math.min(1, dot(g, h))); // rounding may exceed 1
    }),
  );
  return { covariance, correlation, standardErrors, isLoose };
}

/** Computes χ², R² and the information criteria. */
function goodness(data: FitData, fitted: Float64Array, count: number) {
  const { y } = data;
  const m = y.length;
  const whitened = (of: (value: number, i: number) => number): Float64Array => whiten(data, y.map(of));
  const weighted = whitened((value, i) => value - fitted[i]);
  const chiSquare = dot(weighted, weighted);
  // The constant that fits best; its weights are taken out of the sums, since their squares might overflow.
  const ones = whitened(() => 1);
  const largest = normInf(ones);
  const [unit, units] = [ones, whitened((value) => value)].map((values) => values.map((v) => v / largest));
  const mean = dot(unit, units) / dot(unit, unit);
  const rest = whitened((value) => value - mean);
  const total = dot(rest, rest);
  const likelihood = m * Math.log(chiSquare / m);
  return {
    chiSquare,
    rSquared: 1 - chiSquare / total,
    aic: likelihood + 2 * count,
    bic: likelihood + count * Math.log(m),
  };
}

const statusOf = ({ converged, termination }: FitSolution): FitStatus =>
  converged ? 'success' : isLimit(termination) ? 'stopped' : 'failure';

function messageOf({ converged, termination, qr, free }: FitSolution, loss: RobustLoss): string {
  const minimized = loss === 'linear' ? 'sum of squares' : 'robust loss';
  if (!converged && qr.rank === 0 && free.length > 0) {
    return 'No step in any parameter changes the model by more than rounding: start elsewhere, or scale y and the parameters.';
  }
  if (!converged && !isLimit(termination) && qr.rank < free.length) {
    return `The ${minimized} falls, or may fall, in a direction that its derivatives do not resolve: the parameters nearly compensate each other, or have far other units than their start. Subtract a typical value from x in the model, start nearer, or fix a parameter.`;
  }
  if (!converged && !isLimit(termination)) {
    return `Steps hardly lower the ${minimized}, but its derivatives do not show a minimum: start elsewhere.`;
  }
  if (!converged) return terminations[termination].sentence;
  return qr.rank < free.length
    ? `The ${minimized} is at a minimum, but the data do not determine all parameters.`
    : `The ${minimized} is at a minimum: no step that the derivatives suggest lowers it.`;
}
