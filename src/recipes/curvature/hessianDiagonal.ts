import { integerFrom, type Rules } from '../../core/options.ts';
import { normInf } from '../../core/vector.ts';
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
import { studentWidening } from './studentT.ts';
import type { AsyncProblem, Problem } from '../../core/problem.ts';
import type { Asks } from '../../core/question.ts';

/** Options of {@link hessianDiagonal}. */
export interface DiagonalOptions extends CurvatureOptions {
  /**
   * Number of random vectors, one product each; with as many or more than parameters, the diagonal is exact.
   *
   * @defaultValue `30`
   */
  samples?: number | undefined;
}

const rules: Rules<DiagonalOptions> = { ...curvatureRules, samples: integerFrom(2) };

/** An estimate of the diagonal of a Hessian. */
export interface DiagonalEstimate {
  /** ∂²f/∂xᵢ², `[n]`; NaN for elements that `only` leaves out. */
  readonly values: Float64Array;
  /**
   * Standard error of each, `[n]`, widened by Student's t so that ±2 of it cover 95 % of cases. Where nothing is sampled, the
   * error of the differences; 0 for exact products.
   */
  readonly standardErrors: Float64Array;
  readonly products: number;
  readonly agreement: number;
}

/**
 * Estimates the diagonal of the Hessian by Hutchinson's estimator: the mean of z ∘ Hz over vectors z of
 * random signs.
 *
 * The error of element i is √(Σⱼ≠ᵢ Hᵢⱼ² / samples), which is small if the Hessian is nearly diagonal. With at most `samples`
 * parameters, unit vectors take the place of random ones, and no element depends on others.
 *
 * @throws RangeError for invalid options, or if a gradient is not finite; whatever the problem throws
 * @see Bekas, Kokiopoulou and Saad (2007), doi:10.1016/j.apnum.2007.01.003
 * @example
 * ```ts
 * const { values } = hessianDiagonal(problem, { samples: 100, only: /kernel/ });
 * ```
 */
export function hessianDiagonal(problem: Problem, options: DiagonalOptions = {}): DiagonalEstimate {
  return runAt('hessianDiagonal', problem, options, rules, (point) => diagonal(options)(point));
}

/** As {@link hessianDiagonal}, for an asynchronous problem. */
export function hessianDiagonalAsync(
  problem: AsyncProblem | Problem,
  options: DiagonalOptions = {},
): Promise<DiagonalEstimate> {
  return runAtAsync('hessianDiagonalAsync', problem, options, rules, (point) => diagonal(options)(point));
}

/** The diagonal by one product for each element. */
function* exactDiagonal(point: CurvaturePoint, { onProgress }: DiagonalOptions): Asks<DiagonalEstimate> {
  const { hessian, rungs } = point;
  const { n } = hessian;
  const values = new Float64Array(n);
  const errors = new Float64Array(n);
  const product = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    const unit = new Float64Array(n);
    unit[i] = 1;
    if (rungs.length === 0) {
      yield* hessian.times(unit, product);
      values[i] = product[i];
    } else {
      const careful = yield* checkedProduct(point, unit);
      values[i] = careful.product[i];
      errors[i] = careful.others.reduce((most, other) => Math.max(most, Math.abs(other[i] - values[i])), 0);
    }
    onProgress?.(i + 1, n);
  }
  const largest = normInf(values);
  return {
    values: point.embed(values, NaN),
    standardErrors: point.embed(errors, NaN),
    products: workOf(point).products,
    agreement: Math.max(hessian.agreement || 0, largest === 0 ? 0 : normInf(errors) / largest),
  };
}

function diagonal(options: DiagonalOptions): AtPoint<DiagonalEstimate> {
  const { samples = 30, seed = 0, onProgress } = options;
  return function* (point: CurvaturePoint): Asks<DiagonalEstimate> {
    const { hessian } = point;
    const { n } = hessian;
    if (n <= samples) return yield* exactDiagonal(point, options);
    const draw = gaussian(seed);
    const z = new Float64Array(n);
    const product = new Float64Array(n);
    const means = new Float64Array(n);
    const squares = new Float64Array(n);
    for (let k = 1; k <= samples; k++) {
      for (let i = 0; i < n; i++) z[i] = draw() < 0 ? -1 : 1;
      yield* hessian.times(z, product);
      // Welford's update: no difference of large sums.
      for (let i = 0; i < n; i++) {
        const off = z[i] * product[i] - means[i];
        means[i] += off / k;
        squares[i] += off * (z[i] * product[i] - means[i]);
      }
      onProgress?.(k, samples);
    }
    const widening = studentWidening(samples);
    const errors = squares.map((sum) => widening * Math.sqrt(sum / (samples - 1) / samples));
    return {
      values: point.embed(means, NaN),
      standardErrors: point.embed(errors, NaN),
      products: workOf(point).products,
      agreement: hessian.agreement || 0,
    };
  };
}
