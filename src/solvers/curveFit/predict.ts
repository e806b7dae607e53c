import { checkOptions, either, finitePositive, isList, numberBetween } from '../../core/options.ts';
import { norm2 } from '../../core/vector.ts';
import { resolvedJacobian } from './resolvedJacobian.ts';
import { columnNorms } from '../leastSquares/linearModel.ts';
import { imageOf, scaledBy, standardErrorOf, type Uncertainty } from './covariance.ts';
import { extrapolatedJacobian, longestSteps } from './extrapolatedJacobian.ts';
import { studentQuantile } from './studentT.ts';
import type { FitModel } from './model.ts';
import type { ParameterSet } from './parameters.ts';
import { checkPoints, type Point, type Sigma } from './data.ts';

/** Options of {@link CurveFit.predict}. */
export interface PredictOptions {
  /** Probability of the bands. @defaultValue `0.95` */
  readonly level?: number | undefined;
  /**
   * Standard deviations of new observations, one or one for each point, in the unit of the fit's `sigma`.
   *
   * @defaultValue that of the fit, if it is one number
   */
  readonly sigma?: Sigma | undefined;
}

/** Lower and upper ends at each point, `[k]`. */
export interface Band {
  readonly lower: Float64Array;
  readonly upper: Float64Array;
}

/** Values of a fitted model at some points, and their uncertainty. */
export interface Prediction {
  /** Values of the model, `[k]`. */
  readonly values: Float64Array;
  /** Standard errors of the values, `[k]`; Infinity without degrees of freedom, unless σ is known. */
  readonly standardErrors: Float64Array;
  /** Band of the curve itself. */
  readonly confidence: Band;
  /** Band of new observations; null if their standard deviations are not known. */
  readonly prediction: Band | null;
}

/** Parts of a fit that predictions need. */
export interface Fitted {
  readonly model: FitModel;
  /** Points of the fit, `[m]` */
  readonly points: readonly Point[];
  readonly parameters: ParameterSet;
  /** Solution for the parameters that vary, `[n]` */
  readonly theta: Float64Array;
  readonly uncertainty: Uncertainty;
  /** s: standard deviation of a residual; Infinity without degrees of freedom */
  readonly deviation: number;
  /** Degrees of freedom of the quantiles; Infinity if σ is known */
  readonly degrees: number;
  /** σ of the data, if it is one number */
  readonly sigma: number | null;
}

/**
 * Computes the model, its derivatives and its bands at some points.
 *
 * @throws TypeError, RangeError naming a point or an option that is wrong
 */
export function predictBy(fitted: Fitted, given: ArrayLike<Point>, options: PredictOptions): Prediction {
  checkPoints(given, fitted.points);
  const points = Array.from(given);
  checkOptions('predict', options, {
    level: numberBetween(0, 1),
    sigma: either(finitePositive, {
      allowed: `an array of ${points.length} of them, one for each point`,
      accepts: (v) =>
        isList(v) &&
        v.length === points.length &&
        Array.from(v).every((each) => finitePositive.accepts(each)),
    }),
  });
  const { level = 0.95, sigma = fitted.sigma } = options;
  const { theta, uncertainty, deviation, degrees } = fitted;
  const k = points.length;
  const n = theta.length;
  const values = new Float64Array(k);
  fitted.model.values(points, theta, values);
  const derivatives = derivativesAt(fitted, points, values);

  const standardErrors = values.map((_, i) =>
    standardErrorOf(uncertainty, derivatives.subarray(i * n, (i + 1) * n), deviation),
  );
  const quantile = studentQuantile(level, degrees);
  const band = (noise: (i: number) => number): Band => {
    const widths = standardErrors.map((error, i) => scaledBy(quantile, Math.hypot(error, noise(i))));
    return { lower: values.map((v, i) => v - widths[i]), upper: values.map((v, i) => v + widths[i]) };
  };
  const noiseAt = (i: number): number =>
    deviation * (typeof sigma === 'number' ? sigma : (sigma?.[i] ?? NaN));
  return {
    values,
    standardErrors,
    confidence: band(() => 0),
    prediction: sigma === null ? null : band(noiseAt),
  };
}

/** Computes the derivatives of the model by the parameters that vary, `[k, n]`; NaN where differences fail. */
function derivativesAt(
  { model, theta, parameters, uncertainty }: Fitted,
  points: readonly Point[],
  values: Float64Array,
): Float64Array {
  const derivatives = new Float64Array(points.length * theta.length);
  if (model.derivatives !== null) {
    model.derivatives(points, theta, derivatives);
    return derivatives;
  }
  const { varied } = parameters;
  const lower = Float64Array.from(varied, (j) => parameters.lower[j]);
  const upper = Float64Array.from(varied, (j) => parameters.upper[j]);
  const bounds = { lower: (j: number) => lower[j], upper: (j: number) => upper[j] };
  const precision = model.precision();
  const problem = {
    p0: theta,
    fg: () => NaN,
    residualCount: points.length,
    residuals: (x: Float64Array, out: Float64Array) => model.values(points, x, out),
  };
  const start = Float64Array.from(varied, (j) => parameters.start[j]);
  const size = norm2(values);
  const at = { problem, x: theta, residuals: values, start, size };
  if (!resolvedJacobian(at, { scheme: '3-point', precision, bounds }, derivatives))
    return derivatives.fill(NaN);
  if (precision === 'float64' && cancels(uncertainty, derivatives)) {
    const norms = columnNorms(derivatives, theta.length);
    const largestTerm = Math.max(size, ...norms.map((norm, j) => norm * Math.abs(theta[j])));
    const steps = longestSteps(derivatives, theta.length, largestTerm);
    extrapolatedJacobian({ problem, lower, upper }, theta, steps, derivatives);
  }
  return derivatives;
}

/** Relative error of central differences, and the largest that it may cause in a standard error. */
const DIFFERENCE_ERROR = 1e-10;
const TOLERANCE = 1e-4;

/** True if parameters compensate each other, so that errors of central differences would be seen in standard errors. */
function cancels(uncertainty: Uncertainty, derivatives: Float64Array): boolean {
  const n = uncertainty.norms.length;
  const errors = Float64Array.from({ length: n }, (_, j) =>
    Math.hypot(...uncertainty.factor.map((u) => u[j])),
  );
  for (let at = 0; at < derivatives.length; at += n) {
    const row = derivatives.subarray(at, at + n);
    const terms = Math.hypot(...row.map((value, j) => value * errors[j]));
    if (DIFFERENCE_ERROR * terms > TOLERANCE * norm2(imageOf(uncertainty, row, 1))) return true;
  }
  return false;
}
