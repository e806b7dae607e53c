import { checkOptions, integerFrom, numberBetween, positive, type Rules } from '../../core/options.ts';
import { evaluate, type Asks } from '../../core/question.ts';
import { gaussian } from '../random.ts';
import { curvatureRules, runAt, runAtAsync, type AtPoint, type CurvatureOptions } from './at.ts';
import { krylovFrom, lanczosStep, ritzOf, ritzVector, type Krylov, type Ritz } from './lanczos.ts';
import type { AsyncProblem, Problem } from '../../core/problem.ts';
import type { PlaneSpec } from '../planes.ts';
import type { Hessian } from '../../core/hessian.ts';

/** Options of {@link topEigenpairs}. */
export interface EigenOptions extends CurvatureOptions {
  /** How many of the largest. @defaultValue `1` */
  count?: number;
  /** How many of the smallest (the most negative). @defaultValue `1` */
  bottom?: number;
  /** Products at most; with n of them the eigenvalues are exact. @defaultValue `60` */
  maxProducts?: number;
  /** Done when ‖Hv − λv‖ ≤ tolerance · max|λ| for each. @defaultValue `1e-3` */
  tolerance?: number;
}

export const eigenRules: Rules<EigenOptions> = {
  ...curvatureRules,
  count: integerFrom(0),
  bottom: integerFrom(0),
  maxProducts: integerFrom(1),
  tolerance: numberBetween(0, 1),
};

/** Some eigenvalues with their vectors. */
export interface EigenList {
  readonly values: Float64Array;
  /** Unit vectors, `[n]` each. */
  readonly vectors: readonly Float64Array[];
  /** ‖Hv − λv‖ of each: the distance to an eigenvalue is no more. */
  readonly residuals: Float64Array;
}

/** The ends of a Hessian's spectrum. */
export interface Eigenpairs extends EigenList {
  /** The smallest, ascending; the others are the largest, descending. */
  readonly bottom: EigenList;
  /** f at the point. */
  readonly loss: number;
  /** The point, `[n]`. */
  readonly center: Float64Array;
  readonly products: number;
  /** Gradients that the products took. */
  readonly gradients: number;
  /**
   * Relative difference of the first product at two neighbouring ε: 0 for exact products, about 1e-4 or less on a
   * smooth loss in float32; above 0.1 the loss is too rough or too noisy here for its curvature to mean much.
   */
  readonly agreement: number;
  /** Whether every pair asked for met the tolerance. */
  readonly converged: boolean;
}

/**
 * The largest eigenvalues of the Hessian with their eigenvectors, and the smallest, by the Lanczos process with full
 * re-orthogonalisation.
 *
 * Needs gradients only; twenty products give the extreme eigenvalues of most networks to half a per cent.
 *
 * @throws RangeError for bad options; whatever the problem throws
 * @see Ghorbani, Krishnan and Xiao (2019), arXiv:1901.10159
 * @example
 * ```ts
 * const { values, bottom, agreement } = topEigenpairs(problem, { count: 2, maxProducts: 20 });
 * ```
 */
export function topEigenpairs(problem: Problem, options: EigenOptions = {}): Eigenpairs {
  return runAt('topEigenpairs', problem, options, eigenRules, eigenpairs(options));
}

/** As {@link topEigenpairs}, for a problem that answers later. */
export function topEigenpairsAsync(
  problem: AsyncProblem | Problem,
  options: EigenOptions = {},
): Promise<Eigenpairs> {
  return runAtAsync('topEigenpairsAsync', problem, options, eigenRules, eigenpairs(options));
}

function eigenpairs(options: EigenOptions): AtPoint<Eigenpairs> {
  return function* (hessian: Hessian, center: Float64Array): Asks<Eigenpairs> {
    const loss = yield evaluate(center, null);
    const { krylov, ritz, converged } = yield* krylovEnds(hessian, options);
    const k = ritz.values.length;
    const largest = Math.min(options.count ?? 1, k);
    const smallest = Math.min(options.bottom ?? 1, k);
    const list = (rows: readonly number[]): EigenList => ({
      values: Float64Array.from(rows, (row) => ritz.values[row]),
      vectors: rows.map((row) => ritzVector(krylov, ritz, row)),
      residuals: Float64Array.from(rows, (row) => ritz.residuals[row]),
    });
    const { products, gradients, agreement } = hessian;
    return {
      ...list(Array.from({ length: largest }, (_, i) => k - 1 - i)),
      bottom: list(Array.from({ length: smallest }, (_, i) => i)),
      loss,
      center,
      products,
      gradients,
      agreement,
      converged,
    };
  };
}

/** Lanczos until both ends of the spectrum are known well enough. */
export function* krylovEnds(
  hessian: Hessian,
  { count = 1, bottom = 1, maxProducts = 60, tolerance = 1e-3, seed = 0, onProgress }: EigenOptions,
): Asks<{ krylov: Krylov; ritz: Ritz; converged: boolean }> {
  const draw = gaussian(seed);
  const most = Math.min(maxProducts, hessian.n);
  const krylov = krylovFrom(Float64Array.from({ length: hessian.n }, draw));
  for (let step = 1; ; step++) {
    const more = yield* lanczosStep(hessian, krylov, draw);
    onProgress?.(step, most);
    const ritz = ritzOf(krylov);
    const converged = !more || settled(ritz, count, bottom, tolerance);
    if (converged || step >= most) return { krylov, ritz, converged };
  }
}

/** Whether the `count` largest and `bottom` smallest Ritz pairs meet the tolerance. */
function settled({ values, residuals }: Ritz, count: number, bottom: number, tolerance: number): boolean {
  const k = values.length;
  if (k < count + bottom + 1) return false;
  const allowed = tolerance * Math.max(Math.abs(values[0]), Math.abs(values[k - 1]));
  return residuals.every((residual, row) => (row >= bottom && row < k - count) || residual <= allowed);
}

/** Options of {@link eigenPlane}. */
export interface EigenPlaneOptions {
  /**
   * Rise of the loss at coordinate 1, by the quadratic model: the axes are √(2ΔL/|λ|) long.
   *
   * @defaultValue the loss at the point, or 1 where that is 0
   */
  deltaLoss?: number;
}

/**
 * The plane of the two leading eigenvectors of the Hessian, for `landscape`'s `directions`, each scaled so that the
 * quadratic model of the loss rises by ΔL at coordinate 1.
 *
 * @param pairs - from `topEigenpairs` with a count of 2; with a count of 1, the other direction is that of the
 *   smallest eigenvalue
 * @throws RangeError if there are fewer than two directions, or an eigenvalue is 0
 */
export function eigenPlane(pairs: Eigenpairs, options: EigenPlaneOptions = {}): PlaneSpec {
  checkOptions('eigenPlane', options, { deltaLoss: positive });
  const { deltaLoss = Math.abs(pairs.loss) || 1 } = options;
  const values = [...pairs.values.slice(0, 2), ...pairs.bottom.values].slice(0, 2);
  const vectors = [...pairs.vectors.slice(0, 2), ...pairs.bottom.vectors].slice(0, 2);
  if (values.length < 2)
    throw new RangeError('eigenPlane: needs two eigenpairs; ask topEigenpairs for count: 2.');
  const directions = vectors.map((vector, k) => {
    if (values[k] === 0)
      throw new RangeError(`eigenPlane: eigenvalue ${k} is 0; its axis would be infinitely long.`);
    const length = Math.sqrt((2 * deltaLoss) / Math.abs(values[k]));
    return vector.map((element) => element * length);
  });
  const label = (k: number) => `eigenvector of λ = ${Number(values[k].toPrecision(3))}`;
  return { center: pairs.center, directions, labels: [label(0), label(1)] };
}
