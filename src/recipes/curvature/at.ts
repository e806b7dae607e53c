/**
 * Computations with the Hessian at one point, run on problems that answer now or later.
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
import { hessianAt, type Hessian } from '../../core/hessian.ts';
import { heldBy, heldByAsync, restore, subjectOf, type Held } from '../subject.ts';
import type { AsyncProblem, Problem } from '../../core/problem.ts';
import type { Asks } from '../../core/question.ts';

/** What every computation with a Hessian may be told. */
export interface CurvatureOptions {
  /** The point to look at, `[n]`. @defaultValue what the problem's parameters hold, else p0 */
  center?: Float64Array;
  /**
   * Step of the differences of gradients, in units of max(1, ‖x‖), where the problem has no products of its own.
   *
   * @defaultValue `'auto'`: the best of a ladder, by trial
   */
  epsilon?: number | 'auto';
  /** Of the random vectors. @defaultValue `0` */
  seed?: number;
  /** Told the number of products done, and of those at most to come. */
  onProgress?: (products: number, most: number) => void;
  /** Once aborted, its reason is thrown. */
  signal?: AbortSignal;
}

export const curvatureRules: Rules<CurvatureOptions> = {
  center: { allowed: 'a Float64Array', accepts: (v) => v instanceof Float64Array },
  epsilon: either(numberBetween(0, 1), oneOf('auto')),
  seed: { allowed: 'a finite number', accepts: (v) => typeof v === 'number' && Number.isFinite(v) },
  onProgress: callable,
  signal: abortSignal,
};

/** A computation at a point; the loss there comes with it. */
export type AtPoint<Result> = (hessian: Hessian, center: Float64Array) => Asks<Result>;

/** Runs a computation, and puts the parameters back. */
export function runAt<Options extends CurvatureOptions, Result>(
  where: string,
  problem: Problem,
  options: Options,
  rules: Rules<Options>,
  computation: AtPoint<Result>,
): Result {
  check(where, problem, options, rules);
  const held = heldBy(problem, undefined);
  const { hessian, center } = enter(where, problem, held, options);
  try {
    return runSync(computation(hessian, center), problem);
  } finally {
    restore(held);
  }
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
  const { hessian, center } = enter(where, problem, held, options);
  try {
    return await runAsync(computation(hessian, center), problem);
  } finally {
    restore(held);
  }
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
  { center: at, epsilon = 'auto', signal }: CurvatureOptions,
): { hessian: Hessian; center: Float64Array } {
  const { center } = subjectOf(where, problem, held, at);
  const { precision = 'float64' } = problem;
  const exact = problem.hessianVector !== undefined;
  return { hessian: hessianAt(center, { precision, exact, epsilon, signal }), center };
}
