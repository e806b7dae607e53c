import { integerFrom, type Rules } from '../../core/options.ts';
import { dot } from '../../core/vector.ts';
import { gaussian } from '../random.ts';
import { curvatureRules, runAt, runAtAsync, type AtPoint, type CurvatureOptions } from './at.ts';
import { krylovEnds } from './eigenpairs.ts';
import { orthogonalise, ritzVector } from './lanczos.ts';
import type { AsyncProblem, Problem } from '../../core/problem.ts';
import type { Asks } from '../../core/question.ts';
import type { Hessian } from '../../core/hessian.ts';

/** Options of {@link trace}. */
export interface TraceOptions extends CurvatureOptions {
  /** Random vectors. @defaultValue `30` */
  samples?: number;
  /** Leading eigenvalues that are taken out first and counted exactly. @defaultValue `5` */
  deflate?: number;
}

const rules: Rules<TraceOptions> = {
  ...curvatureRules,
  samples: integerFrom(2),
  deflate: integerFrom(0),
};

/** An estimate of tr H. */
export interface TraceEstimate {
  readonly value: number;
  /** Standard error of `value`. */
  readonly standardError: number;
  /** The part of `value` that is not estimated: Σ qᵀHq over the deflated directions. */
  readonly deflated: number;
  readonly products: number;
  readonly agreement: number;
}

/**
 * The trace of the Hessian: the leading eigenvalues from Lanczos, and the rest by Hutchinson's estimator on what is
 * orthogonal to their vectors.
 *
 * Unbiased however good the vectors are; the better, the smaller the error.
 *
 * @throws RangeError for bad options; whatever the problem throws
 * @see Meyer, Musco, Musco and Woodruff (2021), Hutch++, arXiv:2010.09649
 */
export function trace(problem: Problem, options: TraceOptions = {}): TraceEstimate {
  return runAt('trace', problem, options, rules, traceEstimate(options));
}

/** As {@link trace}, for a problem that answers later. */
export function traceAsync(
  problem: AsyncProblem | Problem,
  options: TraceOptions = {},
): Promise<TraceEstimate> {
  return runAtAsync('traceAsync', problem, options, rules, traceEstimate(options));
}

function traceEstimate({
  samples = 30,
  deflate = 5,
  seed = 0,
  onProgress,
}: TraceOptions): AtPoint<TraceEstimate> {
  return function* (hessian: Hessian): Asks<TraceEstimate> {
    const { n } = hessian;
    const taken = Math.min(deflate, n);
    const most = (taken === 0 ? 0 : 3 * taken) + samples;
    const basis: Float64Array[] = [];
    let deflated = 0;
    if (taken > 0) {
      const { krylov, ritz } = yield* krylovEnds(hessian, {
        count: taken,
        bottom: 0,
        maxProducts: 3 * taken,
        seed,
        onProgress: (products) => onProgress?.(products, most),
      });
      const order = Array.from(ritz.values.keys()).sort(
        (a, b) => Math.abs(ritz.values[b]) - Math.abs(ritz.values[a]),
      );
      for (const row of order.slice(0, taken)) {
        basis.push(ritzVector(krylov, ritz, row));
        deflated += ritz.values[row];
      }
    }
    if (taken === n) {
      return {
        value: deflated,
        standardError: 0,
        deflated,
        products: hessian.products,
        agreement: hessian.agreement,
      };
    }
    const draw = gaussian(seed + 1);
    const z = new Float64Array(n);
    const product = new Float64Array(n);
    let sum = 0;
    let squares = 0;
    for (let k = 0; k < samples; k++) {
      for (let i = 0; i < n; i++) z[i] = draw() < 0 ? -1 : 1;
      orthogonalise(z, basis);
      yield* hessian.times(z, product);
      const estimate = dot(z, product);
      sum += estimate;
      squares += estimate * estimate;
      onProgress?.(hessian.products, most);
    }
    const mean = sum / samples;
    const variance = Math.max(0, squares / samples - mean * mean) * (samples / (samples - 1));
    return {
      value: deflated + mean,
      standardError: Math.sqrt(variance / samples),
      deflated,
      products: hessian.products,
      agreement: hessian.agreement,
    };
  };
}
