import type { Point } from './data.ts';
import type { Band, Prediction, PredictOptions } from './predict.ts';
import type { Interval } from './profile.ts';

/** Role of a parameter in a fit. */
export type ParameterRole = 'varied' | 'fixed' | 'tied' | 'at bound';

/** Ending of a fit: at a minimum, at a limit on its work, or without either. */
export type FitStatus = 'success' | 'stopped' | 'failure';

/** The result of a fit, with the names of its parameters; `String(fit)` is a report. */
export interface CurveFit<Name extends string = string> {
  /** All parameters, `[n]`, in the order of the start. */
  readonly x: Float64Array;
  /** Names of the parameters; `p0`, `p1`, … if the start was an array. */
  readonly names: readonly Name[];
  /** The parameters by name. */
  readonly parameters: { readonly [Key in Name]: number };
  readonly roles: readonly ParameterRole[];
  /**
   * Standard error of each parameter, `[n]`: 0 if fixed, NaN at a bound, Infinity if the data do not determine it or leave no
   * degrees of freedom.
   */
  readonly standardErrors: Float64Array;
  /** Covariance of the parameters, `[n, n]`; Infinity or NaN where they are not determined or at a bound. */
  readonly covariance: readonly Float64Array[];
  /** Correlation of the parameters, `[n, n]`; NaN where a standard error is not positive and finite. */
  readonly correlation: readonly Float64Array[];
  /** Names of the parameters that the data do not determine. */
  readonly undetermined: readonly Name[];
  /** Names of the parameters that ended at a bound; the errors of the others hold as long as they stay there. */
  readonly atBound: readonly Name[];
  /** Σ((yᵢ − f(xᵢ))/σᵢ)². */
  readonly chiSquare: number;
  /** χ² per degree of freedom; NaN without degrees of freedom. */
  readonly reducedChiSquare: number;
  /** 1 − χ² / Σ((yᵢ − ȳ)/σᵢ)². */
  readonly rSquared: number;
  /** m·ln(χ²/m) + 2k for m points and k parameters that vary, as in lmfit. */
  readonly aic: number;
  /** m·ln(χ²/m) + k·ln m. */
  readonly bic: number;
  readonly degreesOfFreedom: number;
  /** The points used. */
  readonly points: readonly Point[];
  /** The data y and the fitted values at these points, `[m]`. */
  readonly y: Float64Array;
  readonly fitted: Float64Array;
  /** σ of each point, `[m]`; 1 if none was given. */
  readonly sigma: Float64Array;
  /** Number of points left out as missing. */
  readonly skipped: number;
  readonly converged: boolean;
  readonly status: FitStatus;
  readonly message: string;
  /** Number of evaluations of the model at all points, including those for derivatives. */
  readonly evaluations: number;
  /** Computes the model at other points, with confidence and prediction bands. */
  predict(points: ArrayLike<Point>, options?: PredictOptions): Prediction;
  /** The confidence band of {@link CurveFit.predict}. */
  confidence(points: ArrayLike<Point>, level?: number): Band;
  /** Intervals value ± t·error of each parameter, by name; infinite without degrees of freedom, unless σ is known. */
  intervals(level?: number): { [Key in Name]: Interval };
  /**
   * Profile-likelihood intervals of the parameters that vary, by name: better if the model is far from linear, at the cost
   * of about ten fits each. Without names, those of all.
   */
  profile<Key extends Name = Name>(level?: number, names?: readonly Key[]): { [Each in Key]: Interval };
  /** A readable report: status, data, goodness of fit, parameters with their errors, correlations. */
  toString(): string;
}
