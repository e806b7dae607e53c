import { integerFrom, positive, type Rules } from '../../core/options.ts';
import { evaluate, type Asks } from '../../core/question.ts';
import { addScaled, norm2 } from '../../core/vector.ts';
import { gaussian } from '../landscape/random.ts';
import { runAt, runAtAsync, workOf, type AtPoint, type CurvaturePoint } from './curvatureAt.ts';
import { eigenRules, spectrumEnds, type EigenOptions } from './eigenpairs.ts';
import { normalize } from '../../core/hessian.ts';
import type { AsyncProblem, Problem } from '../../core/problem.ts';

/** Options of {@link sharpness}. */
export interface SharpnessOptions extends Omit<EigenOptions, 'count' | 'bottom' | 'matrix' | 'only'> {
  /** Radius ρ of the neighborhood in which losses are compared. @defaultValue `0.05` */
  rho?: number | undefined;
  /** Number of random points on its surface. @defaultValue `20` */
  samples?: number | undefined;
  /** Step length η of gradient descent, to compare λmax with 2/η. @defaultValue none */
  learningRate?: number | undefined;
}

const { count: _count, bottom: _bottom, matrix: _matrix, only: _only, ...shared } = eigenRules;
const rules: Rules<SharpnessOptions> = {
  ...shared,
  rho: positive,
  samples: integerFrom(1),
  learningRate: positive,
};

/** Several measures of the sharpness of a minimum. */
export interface Sharpness {
  /** f at the point. */
  readonly loss: number;
  /** ‖∇f‖₂ at the point. */
  readonly gradientNorm: number;
  /** Largest and smallest eigenvalue of the Hessian. */
  readonly lambdaMax: number;
  readonly lambdaMin: number;
  /** Bound on the error of each, as `errors` of `topEigenpairs`. */
  readonly lambdaMaxError: number;
  readonly lambdaMinError: number;
  /** f(x + ρ ∇f/‖∇f‖) − f(x): the rise that sharpness-aware minimization counters (Foret et al. 2021). */
  readonly ascent: number;
  /** f(x ± ρ v) − f(x), the larger of both, v the leading eigenvector. */
  readonly worst: number;
  /** Mean of f(x + ρ u) − f(x) over random unit vectors u. */
  readonly average: number;
  /**
   * 2/η, the largest λmax at which gradient descent with step η is stable (Cohen et al. 2021); NaN without a
   * learning rate.
   */
  readonly edge: number;
  readonly products: number;
  readonly agreement: number;
  /** True if both eigenvalues are accurate to the tolerance. */
  readonly converged: boolean;
}

/**
 * Computes measures of sharpness at a point: curvature, and the rise of the loss at a distance ρ.
 *
 * @throws RangeError for invalid options; whatever the problem throws
 * @see Foret, Kleiner, Mobahi and Neyshabur (2021), arXiv:2010.01412; Cohen, Kaur, Li, Kolter and Talwalkar
 *   (2021), arXiv:2103.00065
 */
export function sharpness(problem: Problem, options: SharpnessOptions = {}): Sharpness {
  return runAt('sharpness', problem, options, rules, (point) => measures(options)(point));
}

/** As {@link sharpness}, for an asynchronous problem. */
export function sharpnessAsync(
  problem: AsyncProblem | Problem,
  options: SharpnessOptions = {},
): Promise<Sharpness> {
  return runAtAsync('sharpnessAsync', problem, options, rules, (point) => measures(options)(point));
}

function measures({
  rho = 0.05,
  samples = 20,
  learningRate,
  ...options
}: SharpnessOptions): AtPoint<Sharpness> {
  return function* (point: CurvaturePoint): Asks<Sharpness> {
    const { center } = point;
    const direction = new Float64Array(center.length);
    const place = new Float64Array(center.length);
    const loss = yield evaluate(center, direction);
    const gradientNorm = norm2(direction);
    const rise = function* (distance: number): Asks<number> {
      addScaled(center, distance, direction, place);
      return (yield evaluate(place, null)) - loss;
    };
    normalize(direction);
    const ascent = gradientNorm === 0 ? 0 : yield* rise(rho);

    const { top, bottom, agreement, converged } = yield* spectrumEnds(point, {
      ...options,
      count: 1,
      bottom: 1,
    });
    direction.set(top.vectors[0]);
    const worst = Math.max(yield* rise(rho), yield* rise(-rho));

    const draw = gaussian((options.seed ?? 0) + 1);
    let sum = 0;
    for (let k = 0; k < samples; k++) {
      for (let i = 0; i < direction.length; i++) direction[i] = draw();
      normalize(direction);
      sum += yield* rise(rho);
    }
    return {
      loss,
      gradientNorm,
      lambdaMax: top.values[0],
      lambdaMin: bottom.values[0],
      lambdaMaxError: top.errors[0],
      lambdaMinError: bottom.errors[0],
      ascent,
      worst,
      average: sum / samples,
      edge: learningRate === undefined ? NaN : 2 / learningRate,
      products: workOf(point).products,
      agreement,
      converged,
    };
  };
}
