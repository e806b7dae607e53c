import { checkOptions, finitePositive } from '../../core/options.ts';
import { found, isFinitePhi, notFound, type LineSearch } from './lineSearch.ts';

/** Options of {@link fixedStep}. */
export interface FixedStepOptions {
  /** Step. @defaultValue the first step that the solver proposes: 1 for quasi-Newton directions */
  readonly alpha?: number | undefined;
}

/**
 * Takes a fixed step without a search, even if f rises. If f is not finite there, the step is divided by ten.
 *
 * @throws RangeError if alpha is not a finite number > 0
 */
export function fixedStep(options: FixedStepOptions = {}): LineSearch {
  checkOptions('fixedStep', options, { alpha: finitePositive });
  return {
    name: 'fixed step',
    descends: false,
    *search(_phi0, alpha0, _slack, alphaMax) {
      let alpha = Math.min(options.alpha ?? alpha0, alphaMax);
      for (let trials = 1; trials <= MAX_TRIALS; trials++) {
        if (isFinitePhi(yield { alpha, slope: true })) return found(alpha);
        alpha *= SHRINK;
      }
      return notFound('nonFinite', 0);
    },
  };
}

const MAX_TRIALS = 20;
const SHRINK = 0.1;
