import { boolean, callable, checkOptions, type Rules } from '../core/options.ts';
import { broydenFamily, type BroydenMember, type StepCurvature } from './broyden.ts';
import { rampedStep, type InitialStep } from './initialStep.ts';
import { lineSearchRule } from './lineSearchOption.ts';
import { lineSearchSolver } from './lineSearchSolver.ts';
import { strongWolfe } from './linesearch/strongWolfe.ts';
import type { Solver } from '../core/solver.ts';
import type { LineSearch } from './linesearch/lineSearch.ts';

/** Options of {@link ssbroyden}. */
export interface SsbroydenOptions {
  /** Line search. @defaultValue `strongWolfe({ c2: 0.05 })`: the update rewards a nearly exact search */
  readonly lineSearch?: LineSearch | undefined;
  /** First step that the line search tries. @defaultValue `rampedStep()` */
  readonly initialStep?: InitialStep | undefined;
  /** As for {@link bfgs}. @defaultValue `false` */
  readonly modifiedSecant?: boolean | undefined;
}

/** Rules of {@link SsbroydenOptions}. */
export const ssbroydenRules: Rules<SsbroydenOptions> = {
  lineSearch: lineSearchRule,
  initialStep: callable,
  modifiedSecant: boolean,
};

/**
 * Self-scaled Broyden: each step chooses both the scale of H and the member of Broyden's family. The most accurate
 * method here for small networks and PINNs, in float64.
 *
 * Dense: n²/2 numbers and O(n²) work per iteration, less in the first n/3, as for {@link bfgs}; for up to some thousands
 * of unknowns. H starts as I, or as sᵀy/yᵀy·I if the units of x and f take sᵀy/yᵀy beyond 1e±9.
 *
 * @throws RangeError naming every option that is wrong
 *
 * @example
 * ```js
 * import { adam, sequence, ssbroyden } from 'quasi-newton';
 *
 * const solver = sequence({ solver: adam({ learningRate: 5e-3 }), iterations: 500 }, ssbroyden());
 * ```
 *
 * @see Urbán, Stefanou & Pons (2024), arXiv:2405.04230; Al-Baali & Khalfan (2005),
 *   Wide interval for efficient self-scaling quasi-Newton algorithms, Optim. Methods Softw. 20
 */
export function ssbroyden(options: SsbroydenOptions = {}): Solver {
  checkOptions('ssbroyden', options, ssbroydenRules);
  const {
    lineSearch = strongWolfe({ c2: 0.05 }),
    initialStep = rampedStep(),
    modifiedSecant = false,
  } = options;
  return lineSearchSolver({
    name: 'ssbroyden',
    describe: () => `SSBroyden (${lineSearch.name})`,
    descent: broydenFamily(selfScaled, startingDiagonal, modifiedSecant),
    lineSearch,
    initialStep,
  });
}

/** Returns 1 unless the units of x and f make the curvature of the first step far from 1. */
export function startingDiagonal(sy: number, yy: number): number {
  const scale = sy / yy;
  return scale < 1e-9 || scale > 1e9 ? scale : 1;
}

/** If a = bh − 1 is below this, s counts as an eigenvector. */
const COLLINEAR = 1e-14;

/** Returns the parameters of Urbán et al. (2024), section 2; θ is the family's parameter in terms of B = H⁻¹. */
export function selfScaled({ n, b, h }: StepCurvature): BroydenMember {
  const a = Math.max(b * h - 1, 0);
  const c = Math.sqrt(a / (1 + a));
  const rho = Math.min(1, h * (1 - c));
  const lowest = a < COLLINEAR ? -Infinity : (rho - 1) / a;
  const theta = Math.max(lowest, Math.min(1 / rho, (1 - b) / b));
  const sigma = 1 + a * theta;
  const spread = n > 1 ? Math.abs(sigma) ** (1 / (1 - n)) : 1;
  const tau1 = Math.min(1, 1 / b);
  const tau = theta <= 0 ? Math.min(tau1 * spread, sigma) : tau1 * Math.min(spread, 1 / theta);
  return { phi: (1 - theta) / sigma, tau };
}
