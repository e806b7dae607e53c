import { boolean, callable, checkOptions, oneOf, type Rules } from '../core/options.ts';
import { scalings, type ScalingName } from './curvature.ts';
import { unitStep, type InitialStep } from './initialStep.ts';
import { lineSearchRule, quasiNewtonSearch } from './lineSearchOption.ts';
import { lineSearchSolver } from './lineSearchSolver.ts';
import { rescaledInverse } from './rescaledInverse.ts';
import type { Solver } from '../core/solver.ts';
import type { LineSearch } from './linesearch/lineSearch.ts';

/** Options of {@link bfgs}. */
export interface BfgsOptions {
  /** Line search. @defaultValue `strongWolfe({ c2: 0.99, maxRise: Infinity, extrapolation: 10 })` */
  readonly lineSearch?: LineSearch | undefined;
  /** First step that the line search tries. @defaultValue `unitStep()` */
  readonly initialStep?: InitialStep | undefined;
  /**
   * Learn curvature also from the values of f, not only from its gradients.
   *
   * @defaultValue true in float64, false in float32 and on mini-batches, whose values are too noisy for it
   */
  readonly modifiedSecant?: boolean | undefined;
  /**
   * The scale γ of H₀ = γI, set by the newest pair at every step: sᵀs/sᵀy (`'long'`), sᵀy/yᵀy (`'short'`),
   * √(sᵀs/yᵀy) (`'geometric'`), or 1 (`'none'`). On networks `'long'` reaches losses orders of magnitude
   * lower; `'short'` takes fewer evaluations on large problems with similar curvatures.
   *
   * @defaultValue `'long'`
   */
  readonly initialScaling?: ScalingName | undefined;
}

/** Rules of {@link BfgsOptions}. */
export const bfgsRules: Rules<BfgsOptions> = {
  lineSearch: lineSearchRule,
  initialStep: callable,
  modifiedSecant: boolean,
  initialScaling: oneOf('short', 'long', 'geometric', 'none'),
};

/**
 * BFGS with a dense inverse Hessian, for up to some thousands of unknowns, where it reaches lower losses than limited-memory
 * BFGS. From n = 512 on, H is a sum of outer products for the first n/3 iterations, at most 1024, where iteration k takes O(kn)
 * work; after that, and for smaller n, n² numbers and O(n²) work per iteration.
 *
 * H starts from γI, and the newest pair sets γ at every step, as in limited memory: H = γM + N, where M and N are
 * updated with each pair.
 *
 * @throws RangeError naming every option that is wrong
 * @see Nocedal & Wright (2006), Numerical Optimization, 2nd ed., Algorithm 6.1 and eq. (6.17), (7.20)
 */
export function bfgs(options: BfgsOptions = {}): Solver {
  checkOptions('bfgs', options, bfgsRules);
  const { lineSearch = quasiNewtonSearch(), initialStep = unitStep(), initialScaling = 'long' } = options;
  return lineSearchSolver({
    name: 'bfgs',
    describe: () => `BFGS (${lineSearch.name})`,
    descent: rescaledInverse(scalings[initialScaling], options.modifiedSecant),
    lineSearch,
    initialStep,
  });
}
