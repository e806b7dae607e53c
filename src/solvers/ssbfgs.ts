import { boolean, callable, checkOptions, type Rules } from '../core/options.ts';
import { broydenFamily } from './broyden.ts';
import { rampedStep, type InitialStep } from './initialStep.ts';
import { lineSearchRule } from './lineSearchOption.ts';
import { lineSearchSolver } from './lineSearchSolver.ts';
import { strongWolfe } from './linesearch/strongWolfe.ts';
import type { Solver } from '../core/solver.ts';
import type { LineSearch } from './linesearch/lineSearch.ts';

/** Options of {@link ssbfgs}. */
export interface SsbfgsOptions {
  /** Line search. @defaultValue `strongWolfe()` */
  readonly lineSearch?: LineSearch | undefined;
  /** First step that the line search tries. @defaultValue `rampedStep()` */
  readonly initialStep?: InitialStep | undefined;
  /** As for {@link bfgs}. @defaultValue `false` */
  readonly modifiedSecant?: boolean | undefined;
}

/** Rules of {@link SsbfgsOptions}. */
export const ssbfgsRules: Rules<SsbfgsOptions> = {
  lineSearch: lineSearchRule,
  initialStep: callable,
  modifiedSecant: boolean,
};

/**
 * Self-scaled BFGS: before each update, H is divided by τ = min(1, yᵀs/sᵀBs), so that outdated large
 * eigenvalues of H⁻¹ decay. For small networks in float64, where {@link ssbroyden} is even better.
 *
 * Dense, like {@link ssbroyden}. H starts as sᵀy/yᵀy·I at the first update.
 *
 * @throws RangeError naming every option that is wrong
 * @see Al-Baali (1998), Comput. Optim. Appl. 9, 191–203; Urbán, Stefanou & Pons (2024),
 *   arXiv:2405.04230
 */
export function ssbfgs(options: SsbfgsOptions = {}): Solver {
  checkOptions('ssbfgs', options, ssbfgsRules);
  const { lineSearch = strongWolfe(), initialStep = rampedStep(), modifiedSecant = false } = options;
  return lineSearchSolver({
    name: 'ssbfgs',
    describe: () => `SSBFGS (${lineSearch.name})`,
    descent: broydenFamily(
      ({ b }) => ({ phi: 1, tau: Math.min(1, 1 / b) }),
      (sy, yy) => sy / yy,
      modifiedSecant,
    ),
    lineSearch,
    initialStep,
  });
}
