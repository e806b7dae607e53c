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
/** The same beyond these, for a parameter that changes nothing so far, and its longest step. */
const MUCH_LONGER = 1024;
const LONGEST = 1e300;
/** Smallest change of f that counts, in rounding errors of f. */
const CLEAR = 16;
/** Rounding that hides changes of f by this fraction may hide a decrease. */
const HIDDEN = 1e-2;
/** Residuals below this fraction of ‖y/σ‖ may count as rounding of large terms of the model, which cancel. */
const EXACT = 1e-6;

/**
 * True if f falls, or may fall, along a direction that is undetermined according to the Jacobian. Differences do not resolve
 * slopes below 1e-9 of their columns, but values of f do, at long steps: the model hardly changes along the direction. The
 * shortest step that changes f decides: in a parameter without effect so far, whose unit may be far from its start, up to the
 * largest numbers. Where large terms of the model cancel, their rounding may hide how f changes.
 */
export function fallsAlongLoose(
  given: FitProblem,
  { x: center, f, qr, free, largestTerm }: Pick<Linearized, 'x' | 'f' | 'qr' | 'free' | 'largestTerm'>,
): boolean {
  const fit = { ...given, size: largestTerm };
  if (f === 0) return false;
  const exact = Math.max(exactness(given), Math.min(exactness(fit), (EXACT * given.size) ** 2));
  if (f > exact && CLEAR * roundingOf(fit, f) > HIDDEN * f) return true;
  const steps = Math.ceil(-Math.log(EPSILON[precisionOf(fit)]) / Math.log(LONGER));
  return nullSpace(qr).some((direction) => {
    const isWithoutEffect = direction.filter(Boolean).length === 1;
    const longest = isWithoutEffect ? LONGEST : 0;
    for (let k = 0, length = Math.sqrt(f); k < steps || length < longest; k++) {
      const changes = [length, -length].map((s) => {
        const x = center.slice();
        free.forEach((j, l) => (x[j] += (s * direction[l]) / qr.norms[l]));
        return isWithin(fit, x) ? valueAt(fit, x) - f : NaN;
      });
      const isClear = (change: number): boolean =>
        Math.abs(change) > CLEAR * roundingOf(fit, f + Math.max(0, change));
      if (changes.some((change) => change < 0 && isClear(change))) return true;
      if (changes.some((change) => Number.isNaN(change) || isClear(change))) return false;
      length *= k < steps ? LONGER : MUCH_LONGER;
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
