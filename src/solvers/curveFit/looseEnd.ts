import { EPSILON } from '../../core/epsilon.ts';
import { dot } from '../../core/vector.ts';
import {
  exactness,
  isWithin,
  precisionOf,
  roundingOf,
  type FitProblem,
  type Linearized,
} from './linearized.ts';
import { nullSpace } from './qr.ts';

/** Factor between the steps along a direction, and their number: up to the inverse of ε. */
const LONGER = 8;
/** Smallest change of f that counts, in rounding errors of f. */
const CLEAR = 16;
/** Rounding that hides changes of f by this fraction may hide a decrease. */
const HIDDEN = 1e-2;

/**
 * True if f falls, or may fall, along a direction that is undetermined according to the Jacobian. Differences do not resolve
 * slopes below 1e-9 of their columns, but values of f do, at long steps: the model hardly changes along the direction. The
 * shortest step that changes f decides. Where large terms of the model cancel, their rounding may hide how f changes.
 */
export function fallsAlongLoose(
  given: FitProblem,
  { x: center, f, qr, free, largestTerm }: Pick<Linearized, 'x' | 'f' | 'qr' | 'free' | 'largestTerm'>,
): boolean {
  const fit = { ...given, size: largestTerm };
  if (f > exactness(fit) && CLEAR * roundingOf(fit, f) > HIDDEN * f) return true;
  const steps = Math.ceil(-Math.log(EPSILON[precisionOf(fit)]) / Math.log(LONGER));
  return nullSpace(qr).some((direction) => {
    for (let k = 0, length = Math.sqrt(f); k < steps; k++, length *= LONGER) {
      const changes = [length, -length].map((s) => {
        const x = center.slice();
        free.forEach((j, l) => (x[j] += (s * direction[l]) / qr.norms[l]));
        return isWithin(fit, x) ? valueAt(fit, x) - f : NaN;
      });
      const isClear = (change: number): boolean =>
        Math.abs(change) > CLEAR * roundingOf(fit, f + Math.max(0, change));
      if (changes.some((change) => change < 0 && isClear(change))) return true;
      if (changes.some((change) => Number.isNaN(change) || isClear(change))) return false;
    }
    return false;
  });
}

/** Sum of squares at a point. */
export function valueAt({ problem }: FitProblem, x: Float64Array): number {
  const residuals = new Float64Array(problem.residualCount ?? 0);
  problem.residuals(x, residuals, null);
  return dot(residuals, residuals);
}
