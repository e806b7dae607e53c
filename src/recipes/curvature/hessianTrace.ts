import { integerFrom, type Rules } from '../../core/options.ts';
import { dot } from '../../core/vector.ts';
import { gaussian } from '../landscape/random.ts';
import {
  curvatureRules,
  runAt,
  runAtAsync,
  workOf,
  type AtPoint,
  type CurvatureOptions,
  type CurvaturePoint,
} from './curvatureAt.ts';
import { checkedProduct } from './check.ts';
import { krylovEnds } from './eigenpairs.ts';
import { orthogonalize, ritzVector } from '../landscape/lanczos.ts';
import { studentWidening } from './studentT.ts';
import type { AsyncProblem, Problem } from '../../core/problem.ts';
import type { Asks } from '../../core/question.ts';

/** Options of {@link hessianTrace}. */
export interface TraceOptions extends CurvatureOptions {
  /** Number of random vectors; with as many or more than parameters, the trace is exact. @defaultValue `30` */
  samples?: number | undefined;
  /**
   * Number of leading eigenvectors whose contribution is computed exactly, without sampling.
   *
   * @defaultValue `5`
   */
  deflate?: number | undefined;
}

const rules: Rules<TraceOptions> = {
  ...curvatureRules,
  samples: integerFrom(2),
  deflate: integerFrom(0),
};

/** An estimate of tr H. */
export interface TraceEstimate {
  readonly value: number;
  /**
   * Standard error of `value`, widened by Student's t so that ±2 of it cover 95 % of cases, whatever the
   * number of samples. With differences, it includes their errors. 0 if nothing is sampled.
   */
  readonly standardError: number;
  /** The part of `value` that is not estimated: Σ qᵀHq over the deflated directions. */
  readonly deflated: number;
  readonly products: number;
  /** Relative difference between products at neighboring steps, of the first product or of the estimates if larger. */
  readonly agreement: number;
}

/** Number of samples multiplied at several steps of the differences, to measure their influence. */
const checkedSamples = 8;

/**
 * Estimates the trace of the Hessian: exactly on leading eigenvectors from Lanczos, and by Hutchinson's
 * estimator on their orthogonal complement.
 *
 * The estimate is unbiased whatever the quality of the vectors; better ones give a smaller error. With at most `samples`
 * parameters, unit vectors take the place of random ones, and the trace is exact.
 *
 * @throws RangeError for invalid options, or if a gradient is not finite; whatever the problem throws
 * @see Meyer, Musco, Musco and Woodruff (2021), Hutch++, arXiv:2010.09649
 * @example
 * ```ts
 * const { value, standardError } = hessianTrace(problem, { samples: 50 }); // value ± 2 standardError
 * ```
 */
export function hessianTrace(problem: Problem, options: TraceOptions = {}): TraceEstimate {
  return runAt('hessianTrace', problem, options, rules, (point) => traceEstimate(options)(point));
}

/** As {@link hessianTrace}, for an asynchronous problem. */
export function hessianTraceAsync(
  problem: AsyncProblem | Problem,
  options: TraceOptions = {},
): Promise<TraceEstimate> {
  return runAtAsync('hessianTraceAsync', problem, options, rules, (point) => traceEstimate(options)(point));
}

function traceEstimate(options: TraceOptions): AtPoint<TraceEstimate> {
  const { samples = 30, deflate = 5 } = options;
  return function* (point: CurvaturePoint): Asks<TraceEstimate> {
    const { n } = point.hessian;
    if (n <= samples) return yield* exactTrace(point, options);
    const most = (deflate === 0 ? 0 : 3 * Math.min(deflate, n)) + samples;
    const { basis, deflated, doubt } = yield* deflation(point, options, most);
    const rest =
      basis.length === n
        ? { mean: 0, standardError: 0, doubt: 0 }
        : yield* hutchinson(point, basis, options, most);
    const value = deflated + rest.mean;
    const apart = Math.hypot(doubt, rest.doubt);
    const agreement = point.hessian.agreement || 0;
    return {
      value,
      standardError: Math.hypot(rest.standardError, apart),
      deflated,
      products: workOf(point).products,
      agreement: apart === 0 ? agreement : Math.max(agreement, apart / Math.max(Math.abs(value), apart)),
    };
  };
}

/** Σ Hᵢᵢ, with one product for each. */
function* exactTrace(point: CurvaturePoint, { onProgress }: TraceOptions): Asks<TraceEstimate> {
  const { hessian, rungs } = point;
  const { n } = hessian;
  const checked = rungs.length === 0 ? 0 : Math.min(n, checkedSamples);
  const product = new Float64Array(n);
  let [value, doubts] = [0, 0];
  for (let i = 0; i < n; i++) {
    const unit = new Float64Array(n);
    unit[i] = 1;
    if (i < checked) {
      const careful = yield* checkedProduct(point, unit);
      value += careful.product[i];
      doubts += largestGap(unit, careful.product[i], careful.others) ** 2;
    } else {
      yield* hessian.times(unit, product);
      value += product[i];
    }
    onProgress?.(i + 1, n);
  }
  // As if the errors of all elements had one sign.
  const standardError = checked === 0 ? 0 : n * Math.sqrt(doubts / checked);
  const agreement = Math.max(
    hessian.agreement || 0,
    standardError / Math.max(Math.abs(value), standardError, 1e-300),
  );
  return { value, standardError, deflated: value, products: workOf(point).products, agreement };
}

/** Leading Ritz vectors and Σ qᵀHq over them. */
function* deflation(
  point: CurvaturePoint,
  { deflate = 5, seed = 0, onProgress }: TraceOptions,
  most: number,
): Asks<{ basis: Float64Array[]; deflated: number; doubt: number }> {
  const basis: Float64Array[] = [];
  const taken = Math.min(deflate, point.hessian.n);
  if (taken === 0) return { basis, deflated: 0, doubt: 0 };
  const { krylov, ritz } = yield* krylovEnds(point, {
    count: taken,
    bottom: 0,
    maxProducts: 3 * taken,
    seed,
    onProgress: (products) => onProgress?.(products, most),
  });
  const order = Array.from(ritz.values.keys()).sort(
    (a, b) => Math.abs(ritz.values[b]) - Math.abs(ritz.values[a]),
  );
  let deflated = 0;
  let doubts = 0;
  for (const row of order.slice(0, taken)) {
    const q = ritzVector(krylov, ritz, row);
    basis.push(q);
    if (point.rungs.length === 0) {
      deflated += ritz.values[row];
      continue;
    }
    const { product, others } = yield* checkedProduct(point, q);
    const along = dot(q, product);
    deflated += along;
    doubts += largestGap(q, along, others) ** 2;
  }
  return { basis, deflated, doubt: Math.sqrt(doubts) };
}

/**
 * Mean of zᵀHz over z = P s, s random signs, P the projection away from `basis`.
 *
 * Its variance is 2 Σᵢ≠ⱼ Aᵢⱼ² / samples with A = PHP, and Σⱼ≠ᵢ Aᵢⱼ² is the variance of sᵢ(As)ᵢ. The sum of these n variances
 * can be estimated much better than the variance of a few values zᵀHz, whose distribution has a long tail.
 */
function* hutchinson(
  point: CurvaturePoint,
  basis: readonly Float64Array[],
  { samples = 30, seed = 0, onProgress }: TraceOptions,
  most: number,
): Asks<{ mean: number; standardError: number; doubt: number }> {
  const { hessian, rungs } = point;
  const checked = rungs.length === 0 ? 0 : Math.min(samples, checkedSamples);
  const draw = gaussian(seed + 1);
  const signs = new Float64Array(hessian.n);
  const z = new Float64Array(hessian.n);
  const product = new Float64Array(hessian.n);
  const diagonal = new Float64Array(hessian.n);
  let squares = 0;
  let mean = 0;
  let doubts = 0;
  for (let k = 0; k < samples; k++) {
    for (let i = 0; i < z.length; i++) signs[i] = draw() < 0 ? -1 : 1;
    z.set(signs);
    orthogonalize(z, basis);
    if (k < checked) {
      const careful = yield* checkedProduct(point, z);
      product.set(careful.product);
      doubts += largestGap(z, dot(z, product), careful.others) ** 2;
    } else {
      yield* hessian.times(z, product);
    }
    mean += dot(z, product) / samples;
    orthogonalize(product, basis);
    squares += dot(product, product) / samples;
    for (let i = 0; i < z.length; i++) diagonal[i] += (signs[i] * product[i]) / samples;
    onProgress?.(most - samples + k + 1, most);
  }
  const offDiagonal = Math.max(0, squares - dot(diagonal, diagonal)) * (samples / (samples - 1));
  return {
    mean,
    standardError: Math.sqrt((2 * offDiagonal) / samples) * studentWidening(samples),
    // Not divided by √samples: kinks add a term of the same sign to all products.
    doubt: checked === 0 ? 0 : Math.sqrt(doubts / checked),
  };
}

/** Largest |zᵀp − value| over the products p of other steps. */
const largestGap = (z: Float64Array, value: number, others: readonly Float64Array[]): number =>
  others.reduce((most, other) => Math.max(most, Math.abs(dot(z, other) - value)), 0);
