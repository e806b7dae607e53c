import { EPSILON } from '../../core/epsilon.ts';
import { extrapolatedJacobian, longestSteps } from './extrapolatedJacobian.ts';
import {
  isWithin,
  linearModel,
  precisionOf,
  RANK_TOLERANCE,
  slopesAt,
  type FitProblem,
  type Linearized,
} from './linearized.ts';
import { valueAt } from './looseEnd.ts';
import { isLimit, type FitSolution } from './solveFit.ts';

/** Rank tolerance of derivatives with all digits, and as a multiple of the error of others. */
const LEAST_TOLERANCE = 1e-13;
const ERRORS = 100;
const MAX_ROUNDS = 20;
/** Number of times that a step is shortened, and the factor. */
const MAX_CUTS = 6;
const CUT = 1 / 4;
/** Rounding of the residuals, in units of ε and the largest term of the model. */
const ROUNDING = 10;
/** Largest fraction of f that a step may still promise at a minimum. */
const CONVERGED = 1e-10;

/**
 * Goes on from a solution whose derivatives do not resolve all directions, with derivatives that do: the user's own, or
 * extrapolated differences. Parameters that nearly compensate each other, as those of a polynomial in calendar years, need
 * these; steps that lower f are taken by QR, and are shortened if they must.
 *
 * @returns the solution as it is, if there is nothing to improve
 */
export function sharpen(fit: FitProblem, found: FitSolution): FitSolution {
  const { qr, free, converged, termination } = found;
  const isDone = converged && qr.rank === free.length;
  if (isDone || isLimit(termination) || qr.rank === 0 || precisionOf(fit) === 'float32') return found;
  const now = sharpModelAt(fit, found.x);
  if (converged && now.qr.rank <= qr.rank) return found;
  const solution = descend(fit, now, termination);
  // At a minimum where parameters lose their effect, some steps promise more than f has to give.
  return converged && !solution.converged && !(solution.f < (1 - CONVERGED) * found.f) ? found : solution;
}

/** Takes Gauss–Newton steps while they lower f. */
function descend(fit: FitProblem, start: Linearized, termination: FitSolution['termination']): FitSolution {
  let now = start;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const rounding = ROUNDING * EPSILON.float64 * now.largestTerm;
    const isLast = now.decrease <= Math.max(CONVERGED * now.f, rounding ** 2);
    const lower = lowerPoint(fit, now, rounding * Math.sqrt(now.f));
    if (isLast || lower === null) return { ...now, ...lower, converged: isLast, termination };
    now = sharpModelAt(fit, lower.x);
  }
  return { ...now, converged: false, termination };
}

/** Returns the linear model of derivatives with as many digits as can be had. */
function sharpModelAt(fit: FitProblem, x: Float64Array): Linearized {
  const at = slopesAt(fit, x, 'fine');
  if (fit.hasJacobian) return linearModel(fit, at, 'fine', LEAST_TOLERANCE);
  const { largestTerm } = linearModel(fit, at, 'fine');
  const steps = longestSteps(at.jacobian, x.length, largestTerm);
  const error = extrapolatedJacobian(fit, x, steps, at.jacobian);
  const tolerance = Math.min(RANK_TOLERANCE.float64, Math.max(LEAST_TOLERANCE, ERRORS * error));
  return linearModel(fit, at, 'fine', tolerance);
}

/**
 * Returns the end of the Gauss–Newton step, or a point on its way where f is lower; null if there is none.
 *
 * @param noise - amount by which the whole step may raise f
 */
function lowerPoint(
  fit: FitProblem,
  { x, f, step }: Linearized,
  noise: number,
): Pick<FitSolution, 'x' | 'f'> | null {
  for (let cut = 0, share = 1; cut <= MAX_CUTS; cut++, share *= CUT) {
    const point = x.map((value, j) => value + share * step[j]);
    const value = isWithin(fit, point) ? valueAt(fit, point) : NaN;
    if (value < f + (cut === 0 ? noise : 0)) return { x: point, f: value };
  }
  return null;
}
