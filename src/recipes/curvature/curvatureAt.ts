/**
 * Computations with the Hessian at one point, for synchronous and asynchronous problems.
 *
 * @module
 */
import { runAsync, runSync } from '../../core/drive.ts';
import {
  abortSignal,
  callable,
  checkOptions,
  either,
  numberBetween,
  objectWith,
  oneOf,
  show,
  type Rules,
} from '../../core/options.ts';
import { keeping, type Held } from '../../core/held.ts';
import { hessianAt, type Hessian } from '../../core/hessian.ts';
import { firstNonFinite } from '../../core/vector.ts';
import { heldBy, heldByAsync, subjectOf } from '../landscape/lossSource.ts';
import { blockOf, elementsOf, gaussNewtonAt, madeFrom, type TensorChoice } from './operators.ts';
import type { AsyncProblem, Precision, Problem } from '../../core/problem.ts';
import type { Asks } from '../../core/question.ts';

/** Options common to all computations with a Hessian. */
export interface CurvatureOptions {
  /** The point, `[n]`. @defaultValue the problem's current parameters, or p0 if it has none */
  center?: Float64Array | undefined;
  /**
   * Step of the differences of gradients, in units of max(1, ‖x‖), if the problem has no products of its own.
   *
   * @defaultValue `'auto'`: the best of a ladder, by trial
   */
  epsilon?: number | 'auto' | undefined;
  /**
   * `'gauss-newton'` uses 2 JᵀJ instead of the Hessian, for problems with residuals, f = Σ rᵢ². It is
   * positive semidefinite and exact, and for normal errors it is proportional to the Fisher information.
   *
   * @defaultValue `'hessian'`
   */
  matrix?: 'hessian' | 'gauss-newton' | undefined;
  /**
   * Restricts the Hessian to the block of these tensors, given by names or a pattern of names.
   *
   * @defaultValue all
   */
  only?: TensorChoice | undefined;
  /** Seed of the random vectors. @defaultValue `0` */
  seed?: number | undefined;
  /** Called with the number of products done, and the maximum number. */
  onProgress?: ((products: number, most: number) => void) | undefined;
  /** Once aborted, its reason is thrown. */
  signal?: AbortSignal | undefined;
}

export const curvatureRules: Rules<CurvatureOptions> = {
  center: { allowed: 'a Float64Array', accepts: (v) => v instanceof Float64Array },
  epsilon: either(numberBetween(0, 1), oneOf('auto')),
  matrix: oneOf('hessian', 'gauss-newton'),
  only: {
    allowed: 'an array of names of tensors, or a RegExp',
    accepts: (v) =>
      v instanceof RegExp ||
      (Array.isArray(v) && v.length > 0 && v.every((name) => typeof name === 'string')),
  },
  seed: { allowed: 'a finite number', accepts: (v) => typeof v === 'number' && Number.isFinite(v) },
  onProgress: callable,
  signal: abortSignal,
};

/** The Hessian at a point, with what is needed to check its products. */
export interface CurvaturePoint {
  /** The Hessian; its products throw if they are not finite. */
  readonly hessian: Hessian;
  /** The Hessian by differences at several steps, coarsest first; empty if products are exact. */
  readonly rungs: readonly Hessian[];
  readonly precision: Precision;
  /** `[n]`. */
  readonly center: Float64Array;
  /** Extends a vector of the block to all parameters, `[n]`, with `rest` elsewhere. */
  embed(vector: Float64Array, rest: number): Float64Array;
}

/** A computation at a point. */
export type AtPoint<Result> = (point: CurvaturePoint) => Asks<Result>;

/** Runs a computation, and restores the parameters. */
export function runAt<Options extends CurvatureOptions, Result>(
  where: string,
  problem: Problem,
  options: Options,
  rules: Rules<Options>,
  computation: AtPoint<Result>,
): Result {
  check(where, problem, options, rules);
  const held = heldBy(problem, undefined);
  const point = enter(where, problem, held, options);
  return runSync(keeping(held, computation(point)), problem);
}

/** As {@link runAt}, awaiting every answer. */
export async function runAtAsync<Options extends CurvatureOptions, Result>(
  where: string,
  problem: AsyncProblem | Problem,
  options: Options,
  rules: Rules<Options>,
  computation: AtPoint<Result>,
): Promise<Result> {
  check(where, problem, options, rules);
  const held = await heldByAsync(problem, undefined);
  const point = enter(where, problem, held, options);
  return runAsync(keeping(held, computation(point)), problem);
}

function check<Options extends CurvatureOptions>(
  where: string,
  problem: AsyncProblem | Problem,
  options: Options,
  rules: Rules<Options>,
): void {
  if (!objectWith('', 'p0', 'fg').accepts(problem)) {
    throw new TypeError(`${where}: needs a problem { p0, fg } with gradients, got ${show(problem)}.`);
  }
  checkOptions(where, options, rules);
  options.signal?.throwIfAborted();
}

function enter(
  where: string,
  problem: AsyncProblem | Problem,
  held: Held,
  { center: at, epsilon = 'auto', matrix = 'hessian', only, signal }: CurvatureOptions,
): CurvaturePoint {
  const { center, layout } = subjectOf(where, problem, held, at);
  const { precision = 'float64', residualCount } = problem;
  const gaussNewton = matrix === 'gauss-newton';
  if (gaussNewton && (problem.residuals === undefined || residualCount === undefined)) {
    throw new RangeError(
      `${where}: matrix 'gauss-newton' needs a problem with residuals and residualCount, f = Σ rᵢ²; this one has none.`,
    );
  }
  const exact = gaussNewton || problem.hessianVector !== undefined;
  const elements = only === undefined ? undefined : elementsOf(where, layout, only);
  const wholeWith = (step: number | 'auto') =>
    gaussNewton
      ? gaussNewtonAt(where, center, residualCount ?? 0, signal)
      : hessianAt(center, { precision, exact, epsilon: step, signal });
  const hessianWith = (step: number | 'auto') =>
    finiteOnly(where, elements === undefined ? wholeWith(step) : blockOf(wholeWith(step), elements));
  const steps = epsilon === 'auto' ? ladders[precision] : [3 * epsilon, epsilon, epsilon / 3, epsilon / 10];
  const rungs = exact ? [] : steps.map(hessianWith);
  const embed = (vector: Float64Array, rest: number) => {
    if (elements === undefined) return vector;
    const whole = new Float64Array(center.length).fill(rest);
    elements.forEach((element, i) => (whole[element] = vector[i]));
    return whole;
  };
  return { hessian: hessianWith(epsilon), rungs, precision, center, embed };
}

/** Steps that products are checked with, by precision. */
const ladders: Readonly<Record<Precision, readonly number[]>> = {
  float64: [1e-3, 1e-4, 1e-5, 1e-6, 1e-7],
  float32: [1e-2, 3e-3, 1e-3, 3e-4, 1e-4],
};

/** Wraps a Hessian so that it throws if a product is not finite. */
function finiteOnly(where: string, hessian: Hessian): Hessian {
  return madeFrom(hessian, hessian.n, function* (v, product) {
    yield* hessian.times(v, product);
    const bad = firstNonFinite(product);
    if (bad >= 0) {
      throw new RangeError(
        `${where}: element ${bad} of a product of the Hessian with a vector is ${product[bad]}: the gradient is not finite at the point or near it. Look at another point, or see what makes the loss overflow.`,
      );
    }
  });
}

/**
 * Returns the number of products and gradients so far, including checks; a check at several steps counts as
 * one product.
 */
export function workOf({ hessian, rungs }: CurvaturePoint): { products: number; gradients: number } {
  return {
    products: hessian.products + (rungs[0]?.products ?? 0),
    gradients: rungs.reduce((sum, rung) => sum + rung.gradients, hessian.gradients),
  };
}
