import { boolean, checkOptions, finitePositive, numberBetween, type Rules } from '../core/options.ts';
import { vectorBeside } from '../core/kernels/placement.ts';
import { addScaled, dot, scaleInto } from '../core/vector.ts';
import { factor } from '../core/kernels/cholesky.ts';
import { solveFactored } from '../core/kernels/choleskyColumns.ts';
import { isCurved } from './curvature.ts';
import { clearPairs, combinePairs, gramOf, keepPair, memoryRule, pairRing } from './pairRing.ts';
import { recordPair, takeSlopes, type Gram, type PairRing } from './pairRing.ts';
import { lineSearchRule } from './lineSearchOption.ts';
import { lineSearchSolver, type Descent } from './lineSearchSolver.ts';
import { backtracking } from './linesearch/backtracking.ts';
import { found, isFinitePhi, notFound } from './linesearch/lineSearch.ts';
import { unitStep, type InitialStep } from './initialStep.ts';
import type { Setting, Solver } from '../core/solver.ts';
import type { LineSearch } from './linesearch/lineSearch.ts';
import type { LearnedStep, StepNorms } from './lineSearchSolver.ts';

/** Options of {@link slbfgs}. */
export interface SlbfgsOptions {
  /** Number m of pairs. @defaultValue `20` */
  readonly memory?: number | undefined;
  /**
   * Regularization λ, in units of the mean ‖y‖² of the pairs unless `transposed`.
   *
   * @defaultValue 1e-4, in float32 1e-2, on mini-batches 0.1; transposed 1e-4
   */
  readonly lambda?: number | undefined;
  /** Longest step, in units of the direction. @defaultValue `1` */
  readonly alphaMax?: number | undefined;
  /** Line search. @defaultValue `backtracking({ interpolation: 'quadratic' })` */
  readonly lineSearch?: LineSearch | undefined;
  /**
   * Use the transpose of the estimate, with an absolute λ and H̄ = I, as in FluxOptTools.jl. Less accurate;
   * for comparison.
   *
   * @defaultValue `false`
   */
  readonly transposed?: boolean | undefined;
  /** With `transposed` and without `lineSearch`: factor of a rejected step. @defaultValue `0.5` */
  readonly shrink?: number | undefined;
}

/** Rules of {@link SlbfgsOptions}. */
export const slbfgsRules: Rules<SlbfgsOptions> = {
  memory: memoryRule,
  lambda: finitePositive,
  alphaMax: finitePositive,
  lineSearch: lineSearchRule,
  transposed: boolean,
  shrink: numberBetween(0, 1),
};

/** Last m pairs in a ring, with their inner products. */
export interface SlbfgsMemory extends PairRing {
  readonly gram: Gram;
  /** Scratch: the factor of λI + YᵀY, `[m, m]`. */
  readonly factor: Float64Array;
  /** Scratch: the solution w, `[m]`. */
  readonly w: Float64Array;
  /** H̄ = gamma·I */
  gamma: number;
  readonly transposed: boolean;
  /** λ of the options. */
  readonly lambda: number;
}

/**
 * Stochastic L-BFGS of Wills and Schön: a regularized multisecant estimate of the inverse Hessian.
 *
 * Ĥ minimizes ‖HY − S‖² + λ‖H − γI‖², which gives the direction p = −γ(g − Yw) − Sw, w = (λI + YᵀY)⁻¹Yᵀg. If p is not
 * steep enough, λ grows tenfold until it is; that takes no vector work. Memory 2mn, as for {@link lbfgs}.
 *
 * The method is derived from the estimate itself and from the code of FluxOptTools.jl. `lbfgs` is the better choice
 * without mini-batches, and a tuned `adam` with them.
 *
 * @throws RangeError naming every option that is wrong
 * @see Wills & Schön (2018), Stochastic quasi-Newton with adaptive step lengths for large-scale problems,
 *   arXiv:1802.04310
 */
export function slbfgs(options: SlbfgsOptions = {}): Solver {
  checkOptions('slbfgs', options, slbfgsRules);
  const { memory = 20, lambda, alphaMax = 1, transposed = false, shrink = 0.5 } = options;
  const {
    lineSearch = transposed ? tolerantDecrease(shrink) : backtracking({ interpolation: 'quadratic' }),
  } = options;
  return lineSearchSolver({
    name: 'slbfgs',
    describe: () => `SLBFGS (memory ${memory}${transposed ? ', transposed' : ''})`,
    descent: multisecant(memory, lambda, transposed),
    lineSearch,
    initialStep: adaptiveStep(alphaMax),
  });
}

/**
 * Creates a deterministic version of the acceptance rule of FluxOptTools.jl. There, a step that raises f is
 * accepted at random, more likely if the rise is smaller; here, it is accepted if it raises f by less than a
 * tenth. A rejected step shrinks by a fixed factor.
 */
function tolerantDecrease(shrink: number): LineSearch {
  return {
    name: 'tolerant decrease',
    descends: false,
    *search(phi0, alpha0, _slack, longest) {
      const ceiling = phi0.value + 0.1 * Math.abs(phi0.value);
      let alpha = Math.min(alpha0, longest);
      for (let trials = 1; trials <= MAX_TRIALS; trials++) {
        const phi = yield { alpha, slope: true };
        if (isFinitePhi(phi) && phi.value < ceiling) return found(alpha);
        alpha *= shrink;
      }
      return notFound('maxEvaluations', 0);
    },
  };
}

const MAX_TRIALS = 40;

/**
 * Creates a rule that returns ᾱ, limited on mini-batches to twice the previous step, and along −∇f to
 * 1/‖∇f‖∞.
 */
function adaptiveStep(alphaMax: number): InitialStep {
  const first = unitStep(alphaMax);
  return (state, fresh, slope, last) =>
    state.stochastic && last.alpha > 0
      ? Math.min(alphaMax, 2 * last.alpha)
      : first(state, fresh, slope, last);
}

/** Returns the default λ, which is larger for noisier pairs. */
function defaultLambda({ precision, stochastic = false }: Setting): number {
  if (stochastic) return 0.1;
  return precision === 'float32' ? 1e-2 : 1e-4;
}

function multisecant(m: number, lambda: number | undefined, transposed: boolean): Descent<SlbfgsMemory> {
  return {
    init: (setting) => ({
      ...pairRing(setting.n, m),
      gram: gramOf(m),
      factor: new Float64Array(m * m),
      w: new Float64Array(m),
      gamma: 1,
      transposed,
      lambda: lambda ?? (transposed ? 1e-4 : defaultLambda(setting)),
    }),
    vector: ({ rows }) => vectorBeside(rows[0]),
    apply: transposed ? transposedDirection : directDirection,
    learn,
    reset(memory) {
      clearPairs(memory);
      memory.gamma = 1;
    },
    isFresh: ({ count }) => count === 0,
  };
}

/** Least slope of the direction, relative to that of −γg. */
const STEEPNESS = 0.1;

/** `out ← −Ĥg`, with λ raised until gᵀ·out ≤ −STEEPNESS·γ‖g‖². */
function directDirection(memory: SlbfgsMemory, g: Float64Array, out: Float64Array): number | void {
  const { gram, w, gamma, count } = memory;
  if (count === 0) return scaleInto(-gamma, g, out);
  const pairs = takeSlopes(memory, gram, g);
  const { slots } = pairs;
  const { slopes, factors } = gram;
  const gg = dot(g, g);
  let lambda = memory.lambda * meanDiagonal(memory, slots);
  for (;;) {
    for (let k = 0; k < count; k++) w[k] = slopes[2 * slots[k] + 1];
    if (solveRegularized(memory, slots, lambda)) {
      let slope = -gamma * gg;
      for (let k = 0; k < count; k++) {
        const i = slots[k];
        slope += (gamma * slopes[2 * i + 1] - slopes[2 * i]) * w[k];
      }
      if (slope <= -STEEPNESS * gamma * gg) break;
    }
    lambda *= 10;
    if (!Number.isFinite(lambda)) return scaleInto(-gamma, g, out);
  }
  factors.fill(0);
  for (let k = 0; k < count; k++) {
    factors[2 * k] = -w[k];
    factors[2 * k + 1] = gamma * w[k];
  }
  return combinePairs(pairs, gram, -gamma, g, out);
}

/**
 * `out ← −Ĥᵀg` with γ = 1, reflected across ∇f if it points uphill.
 *
 * In exact arithmetic this is −z + Y(λI + YᵀY)⁻¹Yᵀz, z = λ⁻¹Y(Sᵀg) + g, without the division by λ.
 */
function transposedDirection(memory: SlbfgsMemory, g: Float64Array, out: Float64Array): number | void {
  const { gram, w, lambda, count } = memory;
  if (count === 0) return scaleInto(-1, g, out);
  const pairs = takeSlopes(memory, gram, g);
  const { slots } = pairs;
  const { slopes, factors } = gram;
  for (let k = 0; k < count; k++) w[k] = slopes[2 * slots[k]] - slopes[2 * slots[k] + 1];
  if (!solveRegularized(memory, slots, lambda)) return scaleInto(-1, g, out);
  factors.fill(0);
  for (let k = 0; k < count; k++) factors[2 * k + 1] = -w[k];
  const slope = combinePairs(pairs, gram, -1, g, out);
  if (!(slope > 0)) return slope;
  addScaled(out, (-2 * slope) / dot(g, g), g, out);
  return -slope;
}

/** `w ← (λI + YᵀY)⁻¹w`; returns false if rounding makes the matrix indefinite. */
function solveRegularized(
  { gram: { yy }, rows, factor: matrix, w }: SlbfgsMemory,
  slots: readonly number[],
  lambda: number,
): boolean {
  const m = w.length;
  const width = rows.length / 2;
  for (let k = 0; k < slots.length; k++) {
    for (let l = 0; l <= k; l++) matrix[k * m + l] = yy[slots[k] * width + slots[l]];
    matrix[k * m + k] += lambda;
  }
  if (!factor(matrix, slots.length, m)) return false;
  solveFactored(matrix, slots.length, m, w);
  return true;
}

function meanDiagonal({ gram, rows }: SlbfgsMemory, slots: readonly number[]): number {
  const diagonal = slots.map((i) => gram.yy[(i * rows.length) / 2 + i]);
  return diagonal.reduce((sum, value) => sum + value, 0) / slots.length;
}

/** The smallest cosine of the angle between s and y. */
const MIN_COSINE = 1e-12;

function learn(memory: SlbfgsMemory, step: LearnedStep): StepNorms {
  const { transposed } = memory;
  const pair = recordPair(memory, step);
  if (transposed ? pair.yy === 0 : !isCurved(pair, MIN_COSINE)) return pair;
  keepPair(memory, pair);
  if (!transposed) memory.gamma = pair.sy / pair.yy;
  return pair;
}
