import { integerFrom, positive, type Rules } from '../../core/options.ts';
import { evaluate, type Asks } from '../../core/question.ts';
import { addScaled, norm2 } from '../../core/vector.ts';
import { gaussian } from '../random.ts';
import { runAt, runAtAsync, type AtPoint } from './at.ts';
import { eigenRules, krylovEnds, type EigenOptions } from './eigenpairs.ts';
import { normalise, type Hessian } from '../../core/hessian.ts';
import { ritzVector } from './lanczos.ts';
import type { AsyncProblem, Problem } from '../../core/problem.ts';

/** Options of {@link sharpness}. */
export interface SharpnessOptions extends Omit<EigenOptions, 'count' | 'bottom'> {
  /** Radius of the neighbourhood that losses are compared over. @defaultValue `0.05` */
  rho?: number;
  /** Random points on its surface. @defaultValue `20` */
  samples?: number;
  /** Step length of gradient descent, to compare λmax with 2/η. @defaultValue none */
  learningRate?: number;
}

const { count: _count, bottom: _bottom, ...shared } = eigenRules;
const rules: Rules<SharpnessOptions> = {
  ...shared,
  rho: positive,
  samples: integerFrom(1),
  learningRate: positive,
};

/** How sharp a minimum is, by several measures. */
export interface Sharpness {
  /** f at the point. */
  readonly loss: number;
  /** ‖∇f‖₂ at the point. */
  readonly gradientNorm: number;
  /** Largest and smallest eigenvalue of the Hessian. */
  readonly lambdaMax: number;
  readonly lambdaMin: number;
  /** f(x + ρ ∇f/‖∇f‖) − f(x): the rise that sharpness-aware minimisation counters (Foret et al. 2021). */
  readonly ascent: number;
  /** f(x ± ρ v) − f(x), the larger of both, v the leading eigenvector. */
  readonly worst: number;
  /** Mean of f(x + ρ u) − f(x) over random unit vectors u. */
  readonly average: number;
  /** 2/η, above which gradient descent of step η cannot stay (Cohen et al. 2021); NaN without a learning rate. */
  readonly edge: number;
  readonly products: number;
  readonly agreement: number;
}

/**
 * Measures of sharpness at a point: curvature, and the rise of the loss at a distance ρ.
 *
 * @throws RangeError for bad options; whatever the problem throws
 * @see Foret, Kleiner, Mobahi and Neyshabur (2021), arXiv:2010.01412; Cohen, Kaur, Li, Kolter and Talwalkar
 *   (2021), arXiv:2103.00065
 */
export function sharpness(problem: Problem, options: SharpnessOptions = {}): Sharpness {
  return runAt('sharpness', problem, options, rules, measures(options));
}

/** As {@link sharpness}, for a problem that answers later. */
export function sharpnessAsync(
  problem: AsyncProblem | Problem,
  options: SharpnessOptions = {},
): Promise<Sharpness> {
  return runAtAsync('sharpnessAsync', problem, options, rules, measures(options));
}

function measures({
  rho = 0.05,
  samples = 20,
  learningRate,
  ...options
}: SharpnessOptions): AtPoint<Sharpness> {
  return function* (hessian: Hessian, center: Float64Array): Asks<Sharpness> {
    const direction = new Float64Array(center.length);
    const point = new Float64Array(center.length);
    const loss = yield evaluate(center, direction);
    const gradientNorm = norm2(direction);
    const rise = function* (distance: number): Asks<number> {
      addScaled(center, distance, direction, point);
      return (yield evaluate(point, null)) - loss;
    };
    normalise(direction);
    const ascent = gradientNorm === 0 ? 0 : yield* rise(rho);

    const { krylov, ritz } = yield* krylovEnds(hessian, { ...options, count: 1, bottom: 1 });
    const last = ritz.values.length - 1;
    direction.set(ritzVector(krylov, ritz, last));
    const worst = Math.max(yield* rise(rho), yield* rise(-rho));

    const draw = gaussian((options.seed ?? 0) + 1);
    let sum = 0;
    for (let k = 0; k < samples; k++) {
      for (let i = 0; i < direction.length; i++) direction[i] = draw();
      normalise(direction);
      sum += yield* rise(rho);
    }
    return {
      loss,
      gradientNorm,
      lambdaMax: ritz.values[last],
      lambdaMin: ritz.values[0],
      ascent,
      worst,
      average: sum / samples,
      edge: learningRate === undefined ? NaN : 2 / learningRate,
      products: hessian.products,
      agreement: hessian.agreement,
    };
  };
}
