import { isList, show } from '../../core/options.ts';
import {
  correlationRoot,
  deviationsOf,
  isMatrix,
  type CovarianceMatrix,
  type Errors,
} from './correlatedErrors.ts';

/** One value of x: a number, or several for a model of several variables. */
export type Point = number | ArrayLike<number>;

/** Standard deviations of y: one for all points, or one for each. */
export type Sigma = number | ArrayLike<number>;

/** Measurements as {@link curveFit} uses them. */
export interface FitData extends Errors {
  readonly x: readonly Point[];
  readonly y: Float64Array;
  /** σ, if it is the same for all points; otherwise null */
  readonly sigma: number | null;
  /** Number of points left out. */
  readonly skipped: number;
}

/** The data as given. */
export interface GivenData {
  readonly xdata: ArrayLike<Point | null>;
  readonly ydata: ArrayLike<number | null>;
  readonly sigma: Sigma | CovarianceMatrix | undefined;
  readonly weights: ArrayLike<number> | undefined;
  readonly missing: 'refuse' | 'skip';
}

const isPoint = (value: unknown): value is Point =>
  isList(value) ? value.length > 0 && Array.from(value).every(Number.isFinite) : Number.isFinite(value);

/** Returns true for numbers, and for values that mark missing ones; text and dates are mistakes. */
const isMissing = (value: unknown): boolean =>
  isList(value)
    ? Array.from(value).every(isMissing)
    : value === null || value === undefined || typeof value === 'number';

/**
 * Checks the data, and leaves out missing values if requested.
 *
 * @throws TypeError if x or y is not a list
 * @throws RangeError if lengths differ, σ or a weight is not positive, or a value is missing
 */
export function readData({ xdata, ydata, sigma: given, weights, missing }: GivenData): FitData {
  for (const [name, list] of Object.entries({ xdata, ydata })) {
    if (!isList(list)) throw new TypeError(`curveFit: ${name} must be an array, got ${show(list)}.`);
  }
  const count = ydata.length;
  checkLength('xdata', xdata, count);
  if (given !== undefined && weights !== undefined) {
    throw new RangeError('curveFit: give sigma or weights, not both; weights are 1/sigma².');
  }
  if (given === null) throw new TypeError('curveFit: sigma must be a number or an array, got null.');
  if (isList(given)) checkLength('sigma', given, count);
  const covariance = isMatrix(given) ? given : null;
  const sigma = isMatrix(given) ? deviationsOf(given) : given;
  if (weights !== undefined) checkLength('weights', weights, count);

  const [x, y, rootWeights]: [Point[], number[], number[]] = [[], [], []];
  /** Indices of the points to use. */
  const points: number[] = [];
  for (let i = 0; i < count; i++) {
    const [xi, yi] = [xdata[i], ydata[i]];
    const rootWeight = rootWeightOf(i, sigma, weights);
    if (isPoint(xi) && Number.isFinite(yi) && !Number.isNaN(rootWeight)) {
      x.push(xi);
      y.push(Number(yi));
      rootWeights.push(rootWeight);
      points.push(i);
    } else if (missing === 'refuse' || !(isMissing(xi) && isMissing(yi))) {
      const weight =
        weights !== undefined ? `weights[${i}]` : covariance ? `sigma[${i}][${i}]` : `sigma[${i}]`;
      throw refusalOf(i, xi, yi, weight);
    }
  }
  checkSizes(x, points);
  return {
    x,
    y: Float64Array.from(y),
    rootWeights: Float64Array.from(rootWeights),
    correlationRoot: covariance && correlationRoot(covariance, points, sigma as Float64Array),
    sigma: weights === undefined ? (isList(sigma) ? null : (sigma ?? 1)) : null,
    skipped: count - y.length,
  };
}

/**
 * Returns the error for point i, one of whose values is not a finite number.
 *
 * @param weight - where its σ or weight stands, which is NaN if x and y are fine
 */
function refusalOf(i: number, xi: Point | null, yi: unknown, weight: string): RangeError {
  const value = !isPoint(xi)
    ? `xdata[${i}] is ${showPoint(xi)}`
    : !Number.isFinite(yi)
      ? `ydata[${i}] is ${show(yi)}`
      : `${weight} is NaN`;
  const advice = isMissing(xi) && isMissing(yi) ? ", or pass missing: 'skip' to leave such points out" : '';
  return new RangeError(`curveFit: ${value}; every value must be a finite number${advice}.`);
}

/**
 * Checks that all points have the same number of elements.
 *
 * @param indices - indices of the points in the data
 */
function checkSizes(x: readonly Point[], indices: readonly number[]): void {
  const sizes = x.map((xi) => (isList(xi) ? `[${xi.length}]` : 'a number'));
  const odd = sizes.findIndex((size) => size !== sizes[0]);
  if (odd < 0) return;
  throw new RangeError(
    `curveFit: the points of xdata must have the same length; xdata[${indices[0]}] is ${sizes[0]} and xdata[${indices[odd]}] ${sizes[odd]}.`,
  );
}

/** Number of coordinates of a point; 0 for a number. */
const lengthOf = (point: unknown): number => (isList(point) ? point.length : 0);

/**
 * Checks that points to predict at have the form of those of the fit.
 *
 * @throws TypeError if they are not a list
 * @throws RangeError naming one that is not finite, or has another length than the points of the fit
 */
export function checkPoints(points: unknown, fitted: readonly Point[]): void {
  if (!isList(points)) throw new TypeError(`predict: points must be an array, got ${show(points)}.`);
  const wanted = lengthOf(fitted[0]);
  Array.from(points).forEach((point, i) => {
    if (isPoint(point) && lengthOf(point) === wanted) return;
    const allowed = wanted === 0 ? 'a finite number' : `an array of ${wanted} finite numbers`;
    throw new RangeError(
      `predict: points[${i}] is ${isList(point) ? `[${Array.from(point).map(String).join(', ')}]` : show(point)}; it must be ${allowed}, like the points of the fit.`,
    );
  });
}

function checkLength(name: string, list: unknown, count: number): void {
  const length = isList(list) ? list.length : NaN;
  if (length !== count) {
    const isFlat = name === 'sigma' && length === count * count;
    const advice = isFlat ? ` A covariance matrix is an array of ${count} rows.` : '';
    throw new RangeError(
      `curveFit: ${name} has ${length} values and ydata ${count}; there must be one for each.${advice}`,
    );
  }
}

/** 1/σᵢ; NaN where σᵢ is missing. */
function rootWeightOf(i: number, sigma: Sigma | undefined, weights: ArrayLike<number> | undefined): number {
  const name = weights === undefined ? 'sigma' : 'weights';
  const value = weights?.[i] ?? (isList(sigma) ? sigma[i] : (sigma ?? 1));
  if (value === null || Number.isNaN(value)) return NaN;
  if (!(typeof value === 'number' && value > 0 && value < Infinity)) {
    throw new RangeError(
      `curveFit: ${name}${isList(sigma ?? weights) ? `[${i}]` : ''} must be a finite number > 0, got ${show(value)}.`,
    );
  }
  return weights === undefined ? 1 / value : Math.sqrt(value);
}

/** Formats a point for messages. */
export const showPoint = (x: Point | null): string =>
  isList(x) ? `[${Array.from(x).map(String).join(', ')}]` : show(x);
