import {
  checkOptions,
  integerFrom,
  numberBetween,
  objectWith,
  positive,
  show,
  type Rules,
} from '../../core/options.ts';
import { evaluate, type Asks } from '../../core/question.ts';
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
import { checkedPair, type CheckedPair } from './check.ts';
import {
  isCheckpoint,
  krylovOf,
  lanczosStep,
  ritzOf,
  ritzVector,
  type Krylov,
  type Ritz,
} from '../landscape/lanczos.ts';
import type { AsyncProblem, Problem } from '../../core/problem.ts';
import type { PlaneSpec } from '../landscape/planes.ts';
import { norm2 } from '../../core/vector.ts';

/** Options of {@link topEigenpairs}. */
export interface EigenOptions extends CurvatureOptions {
  /** Number of the largest eigenvalues. @defaultValue `1` */
  count?: number | undefined;
  /** Number of the smallest (the most negative). @defaultValue `1` */
  bottom?: number | undefined;
  /**
   * Maximum number of products of the Lanczos process; checking takes one more for each pair.
   *
   * @defaultValue `60`
   */
  maxProducts?: number | undefined;
  /** Largest error of each eigenvalue, relative to its own |λ|. @defaultValue `1e-3` */
  tolerance?: number | undefined;
}

export const eigenRules: Rules<EigenOptions> = {
  ...curvatureRules,
  count: integerFrom(0),
  bottom: integerFrom(0),
  maxProducts: integerFrom(1),
  tolerance: numberBetween(0, 1),
};

/** Eigenvalues with their vectors, each checked by a separate product. */
export interface EigenList {
  /** vᵀHv of each. */
  readonly values: Float64Array;
  /** Unit vectors, `[n]` each; 0 outside the tensors of `only`. */
  readonly vectors: readonly Float64Array[];
  /** ‖Hv − λv‖ of each, measured. */
  readonly residuals: Float64Array;
  /**
   * Bound on the distance of each value from an eigenvalue, from its residual and the difference of its
   * products at other steps. If it exceeds |λ|, not even the sign is known.
   */
  readonly errors: Float64Array;
  /** True if the error is within the tolerance, relative to |λ|, or at most 1e-12 of the largest |λ|. */
  readonly accurate: readonly boolean[];
}

/** The ends of a Hessian's spectrum. */
export interface Eigenpairs extends EigenList {
  /** The smallest eigenvalues, ascending; the others are the largest, descending. */
  readonly bottom: EigenList;
  /** f at the point. */
  readonly loss: number;
  /** The point, `[n]`. */
  readonly center: Float64Array;
  /** Number of products, including checks. */
  readonly products: number;
  /** Number of gradients evaluated for the products. */
  readonly gradients: number;
  /**
   * Largest relative difference of products at neighboring steps, for the first product and that of each
   * pair; 0 for exact products. Above 0.1, the loss is too rough or too noisy for at least one of the pairs.
   */
  readonly agreement: number;
  /** True if every requested pair is accurate. */
  readonly converged: boolean;
}

/**
 * Computes the largest and smallest eigenvalues of the Hessian with their eigenvectors, by the Lanczos
 * process from two random starts.
 *
 * Needs only gradients. Each pair is checked by one more product and judged by its own residual relative to
 * its own |λ|, so that a small eigenvalue beside large ones is not wrongly considered accurate. If an eigenvalue
 * has a multiplicity above two, only two of its eigenvectors may be found.
 *
 * @throws RangeError for invalid options, or if a gradient is not finite; whatever the problem throws
 * @see Ghorbani, Krishnan and Xiao (2019), arXiv:1901.10159
 * @example
 * ```ts
 * const { values, errors, bottom, converged } = topEigenpairs(problem, { count: 2, maxProducts: 20 });
 * ```
 */
export function topEigenpairs(problem: Problem, options: EigenOptions = {}): Eigenpairs {
  return runAt('topEigenpairs', problem, options, eigenRules, eigenpairs(options));
}

/** As {@link topEigenpairs}, for an asynchronous problem. */
export function topEigenpairsAsync(
  problem: AsyncProblem | Problem,
  options: EigenOptions = {},
): Promise<Eigenpairs> {
  return runAtAsync('topEigenpairsAsync', problem, options, eigenRules, eigenpairs(options));
}

function eigenpairs(options: EigenOptions): AtPoint<Eigenpairs> {
  return function* (point: CurvaturePoint): Asks<Eigenpairs> {
    const { center } = point;
    const loss = yield evaluate(center, null);
    const { top, bottom, agreement, converged } = yield* spectrumEnds(point, options);
    return { ...top, bottom, loss, center, ...workOf(point), agreement, converged };
  };
}

/** Both ends of a spectrum, checked. */
export interface SpectrumEnds extends Pick<Eigenpairs, 'bottom' | 'agreement' | 'converged'> {
  readonly top: EigenList;
}

/** Computes and checks the ends of the spectrum. */
export function* spectrumEnds(point: CurvaturePoint, options: EigenOptions): Asks<SpectrumEnds> {
  const { count = 1, bottom: below = 1, tolerance = 1e-3 } = options;
  const { krylov, ritz } = yield* krylovEnds(point, options);
  const k = ritz.values.length;
  const largest = Math.max(Math.abs(ritz.values[0]), Math.abs(ritz.values[k - 1]));
  const rowsAbove = Array.from({ length: Math.min(count, k) }, (_, i) => k - 1 - i);
  const rowsBelow = Array.from({ length: Math.min(below, k) }, (_, i) => i);
  const pairs: Pair[] = [];
  for (const row of [...rowsAbove, ...rowsBelow]) {
    const vector = ritzVector(krylov, ritz, row);
    const checked = yield* checkedPair(point, vector, largest);
    const { value, error } = checked;
    const accurate = error <= Math.max(tolerance * Math.abs(value), 1e-12 * largest);
    pairs.push({ ...checked, vector: point.embed(vector, 0), accurate });
  }
  const { agreement } = point.hessian;
  return {
    top: listOf(pairs.slice(0, rowsAbove.length).toSorted((a, b) => b.value - a.value)),
    bottom: listOf(pairs.slice(rowsAbove.length).toSorted((a, b) => a.value - b.value)),
    // NaN if the user gave a step; then only the pairs count.
    agreement: pairs.reduce((most, pair) => Math.max(most, agreementOf(pair)), agreement || 0),
    converged: k >= Math.min(Math.max(count, below), point.hessian.n) && pairs.every((pair) => pair.accurate),
  };
}

interface Pair extends CheckedPair {
  readonly vector: Float64Array;
  readonly accurate: boolean;
}

const listOf = (pairs: readonly Pair[]): EigenList => ({
  values: Float64Array.from(pairs, ({ value }) => value),
  vectors: pairs.map(({ vector }) => vector),
  residuals: Float64Array.from(pairs, ({ residual }) => residual),
  errors: Float64Array.from(pairs, ({ error }) => error),
  accurate: pairs.map(({ accurate }) => accurate),
});

const agreementOf = ({ value, doubt }: Pair): number =>
  doubt === 0 ? 0 : doubt / Math.max(Math.abs(value), Number.MIN_VALUE);

/** Runs Lanczos until both ends of the spectrum are accurate enough, judged by its own residuals. */
export function* krylovEnds(
  { hessian }: CurvaturePoint,
  { count = 1, bottom = 1, maxProducts = 60, tolerance = 1e-3, seed = 0, onProgress }: EigenOptions,
): Asks<{ krylov: Krylov; ritz: Ritz }> {
  const draw = gaussian(seed);
  const most = Math.min(maxProducts, hessian.n);
  const krylov = krylovOf(hessian.n, 2, draw);
  for (let step = 1; ; step++) {
    const more = yield* lanczosStep(hessian, krylov, draw);
    onProgress?.(step, most);
    if (more && step < most && !isCheckpoint(step)) continue;
    const ritz = ritzOf(krylov);
    if (!more || step >= most || settled(ritz, count, bottom, tolerance)) return { krylov, ritz };
  }
}

/** True if the `count` largest and `bottom` smallest Ritz values are known to a tenth of the tolerance. */
function settled({ values, residuals }: Ritz, count: number, bottom: number, tolerance: number): boolean {
  const k = values.length;
  if (k < count + bottom + 1) return false;
  const floor = 1e-13 * Math.max(Math.abs(values[0]), Math.abs(values[k - 1]));
  return residuals.every((residual, row) => {
    const wanted = row < bottom || row >= k - count;
    return !wanted || residual <= Math.max(0.1 * tolerance * Math.abs(values[row]), floor);
  });
}

/** Rounds a number to this many digits. */
const short = (value: number, digits: number): number => Number(value.toPrecision(digits));

/** Options of {@link eigenPlane}. */
export interface EigenPlaneOptions {
  /**
   * Rise of the loss at coordinate 1 according to the quadratic model; the axes are √(2ΔL/|λ|) long.
   *
   * @defaultValue the loss at the point, but at least so much that no axis is shorter than 10⁻⁴ of the norm of the parameters:
   *   float32 resolves little below; 1 if both are 0
   */
  deltaLoss?: number | undefined;
}

/**
 * Returns the plane of the two leading eigenvectors of the Hessian, for `landscape`'s `directions`. Each is
 * scaled so that the quadratic model of the loss rises by ΔL at coordinate 1; labels tell the length of this unit.
 *
 * @param pairs - from `topEigenpairs` with a count of 2; with a count of 1, the other direction is that of the
 *   smallest eigenvalue
 * @throws RangeError if there are fewer than two directions, or if an eigenvalue is smaller than its error
 */
export function eigenPlane(pairs: Eigenpairs, options: EigenPlaneOptions = {}): PlaneSpec {
  if (!objectWith('', 'values', 'vectors', 'errors', 'bottom', 'center').accepts(pairs)) {
    throw new TypeError(`eigenPlane: needs the pairs that topEigenpairs returns, got ${show(pairs)}.`);
  }
  checkOptions('eigenPlane', options, { deltaLoss: positive });
  const values = [...pairs.values.slice(0, 2), ...pairs.bottom.values].slice(0, 2);
  const errors = [...pairs.errors.slice(0, 2), ...pairs.bottom.errors].slice(0, 2);
  const vectors = [...pairs.vectors.slice(0, 2), ...pairs.bottom.vectors].slice(0, 2);
  if (values.length < 2)
    throw new RangeError('eigenPlane: needs two eigenpairs; call topEigenpairs with count: 2.');
  const steepest = Math.max(...values.map(Math.abs));
  const least = 0.5 * steepest * (1e-4 * norm2(pairs.center)) ** 2;
  const { deltaLoss = Math.max(Math.abs(pairs.loss), least) || 1 } = options;
  const lengths = values.map((value) => Math.sqrt((2 * deltaLoss) / Math.abs(value)));
  const directions = vectors.map((vector, k) => {
    if (!(Math.abs(values[k]) > errors[k])) {
      throw new RangeError(
        `eigenPlane: eigenvalue ${k} is ${values[k]} ± ${errors[k]}, which may be 0, so the length of its axis is unknown. Give topEigenpairs more products, or use another pair.`,
      );
    }
    return vector.map((element) => element * lengths[k]);
  });
  const label = (k: number) => `eigenvector of λ = ${short(values[k], 3)}, unit ${short(lengths[k], 2)}`;
  return { center: pairs.center, directions, labels: [label(0), label(1)] };
}
