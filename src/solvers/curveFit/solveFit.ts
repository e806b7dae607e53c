import { runSync } from '../../core/drive.ts';
import { approach, type Approach } from './approach.ts';
import {
  exactness,
  isWithin,
  linearizeAt,
  plusStep,
  precisionOf,
  roughness,
  roundingOf,
} from './linearized.ts';
import { valueAt } from './looseEnd.ts';
import { inverseFactor } from './qr.ts';
import type { Precision } from '../../core/problem.ts';
import type { Termination } from '../../core/termination.ts';
import type { FitProblem, Linearized } from './linearized.ts';

/** A solution, and the linear model of the last step. */
export interface FitSolution extends Pick<Linearized, 'x' | 'f' | 'qr' | 'free' | 'held' | 'largestTerm'> {
  readonly converged: boolean;
  /** Ending of Levenberg–Marquardt. */
  readonly termination: Termination;
}

/** Gauss–Newton steps that promise more than this fraction of f are left to Levenberg–Marquardt. */
const FAR = 1e-6;
/** The steps end if the next one would change no parameter by more than this fraction of it, … */
const XTOL: Record<Precision, number> = { float32: 1e-6, float64: 1e-8 };
/** … or lower f by no more than this fraction of it. */
const SETTLED: Record<Precision, number> = { float32: 1e-8, float64: 2e-16 };
/** Largest fraction of f that a step may still promise at a point that counts as converged. */
const CONVERGED: Record<Precision, number> = { float32: 1e-5, float64: 1e-10 };
/** Largest relative change of each parameter by a step that promises more. */
const STILL: Record<Precision, number> = { float32: 1e-5, float64: 1e-8 };
/** Limits of the factor by which the promised decrease falls from step to step. */
const LEAST_RATIO = 1e-4;
const MOST_RATIO = 0.998;
/** Factor assumed at first. */
const FIRST_RATIO = 1e-2;
/** Promises below this many times the errors of a rough Jacobian need a fine one. */
const ROUGH_LIMIT = 10;
/** Errors that a rough Jacobian may leave in a direction of its columns, and so in standard errors, … */
const HARMLESS = 2e-6;
/** … and in each parameter, as a fraction of it. */
const HARMLESS_MOVE = 1e-8;
const MAX_ROUNDS = 30;

/**
 * Minimizes a sum of squares to full precision: Levenberg–Marquardt with forward differences, then Gauss–Newton steps
 * by QR, mixed where they converge slowly, the last with central differences where it matters.
 *
 * @throws whatever the residuals throw
 */
export function solveFit(given: FitProblem): FitSolution {
  // Only residuals are requested, so there is nothing to compare them with.
  const problem = { ...given.problem, fg: () => NaN };
  const fit = { ...given, problem };
  const isFine = fit.hasJacobian || precisionOf(fit) === 'float32';
  let end = runSync(approach(fit, problem.p0, isFine ? 'fine' : 'rough'), problem);
  if (end.near !== null) {
    const solution = settle(fit, end.near, end);
    if (solution.converged) return solution;
    end = runSync(approach(fit, solution.x, 'fine'), problem);
  }
  let now = linearizeAt(fit, end.x, 'fine');
  const isFar = () => now.f > exactness(fit) && now.decrease > FAR * now.f && !isLimit(end.termination);
  for (let round = 0; round < 2 && isFar(); round++) {
    end = runSync(approach(fit, end.x, 'fine'), problem);
    now = linearizeAt(fit, end.x, 'fine');
  }
  return settle(fit, now, end);
}

/** True if a fit ended at a limit on its work. */
export const isLimit = (termination: Termination): boolean =>
  termination === 'maxIterations' || termination === 'maxEvaluations' || termination === 'maxTime';

/**
 * Takes Gauss–Newton steps until the estimated remaining decrease falls below rounding. With large residuals the steps
 * converge linearly; mixing each with the previous one (Anderson's method of depth 1) removes the slowest component.
 * Forward differences are used until the step that should be the last, and for that, too, if their errors are harmless.
 *
 * @see Walker & Ni (2011), Anderson acceleration for fixed-point iterations, SIAM J. Numer. Anal. 49(4),
 *   doi:10.1137/10078356X
 */
function settle(fit: FitProblem, start: Linearized, { ratio: first, termination }: Approach): FitSolution {
  let now = start;
  let before: Linearized | null = null;
  let best: Pick<FitSolution, 'x' | 'f'> = start;
  let ratio = first < 1 ? Math.max(LEAST_RATIO, first) : FIRST_RATIO;
  const rounds = isLimit(termination) ? 0 : MAX_ROUNDS;
  for (let round = 0; round < rounds && now.decrease > 0; round++) {
    // What is left of f is rounding of y, which further steps do not lower.
    if (round > 0 && best.f <= exactness(fit)) break;
    // From plain steps: mixing makes a single step look better than the next one will be.
    if (before !== null) {
      const measured = Math.min(MOST_RATIO, Math.max(LEAST_RATIO, now.decrease / before.decrease));
      ratio = round === 1 ? measured : Math.max(ratio, measured);
    }
    const isFine = now.accuracy === 'fine';
    const isEnough = isFine || isHarmless(now);
    const isLast = isEnough && leavesNothing(fit, now, ratio, ratio);
    const x: Float64Array = isLast || before === null ? plusStep(now) : mixed(now, before);
    const f: number = isWithin(fit, x) ? valueAt(fit, x) : Infinity;
    const isLower = f < Infinity && f <= best.f + roundingOf(fit, f);
    if (isLower) best = { x, f };
    if (isLast || (isFine && !isLower)) break;
    const isRoughEnough =
      isLower &&
      ratio * now.decrease > ROUGH_LIMIT * roughness(now) * now.f &&
      !leavesNothing(fit, now, ratio * ratio, ratio);
    const accuracy = !isFine && (isRoughEnough || (isLower && isEnough)) ? 'rough' : 'fine';
    const next: Linearized = linearizeAt(fit, best.x, accuracy);
    if (isFine && !(next.decrease < 4 * now.decrease)) break;
    before = isLower && next.decrease < now.decrease ? now : null;
    now = next;
  }
  return { ...now, ...best, converged: rounds > 0 && isMinimum(fit, best.f, now), termination };
}

/**
 * True if the steps still to come would change almost nothing.
 *
 * @param factor - factor by which promises will have fallen
 * @param ratio - ratio of one promise to the previous one
 */
function leavesNothing(
  fit: FitProblem,
  { x, f, step, decrease }: Linearized,
  factor: number,
  ratio: number,
): boolean {
  const precision = precisionOf(fit);
  const rest = 1 / (1 - Math.sqrt(ratio)); // of all steps that follow
  if (factor * decrease * rest * rest <= SETTLED[precision] * f) return true;
  const shrink = Math.sqrt(factor) * rest;
  return step.every((move, j) => shrink * Math.abs(move) <= XTOL[precision] * Math.abs(x[j]));
}

/**
 * True if the errors of a rough Jacobian matter neither to the parameters nor to their standard errors: a relative error e
 * moves the solution by e·√(f·cⱼⱼ), with cⱼⱼ of (JᵀJ)⁻¹.
 */
function isHarmless(now: Linearized): boolean {
  const { qr, x, f, free } = now;
  const error = Math.sqrt(roughness(now));
  if (qr.rank < qr.n || !(error <= HARMLESS)) return false;
  const factor = inverseFactor(qr);
  const s = Math.sqrt(f);
  return free.every(
    (j, k) => error * Math.hypot(...factor.map((u) => s * u[k])) <= HARMLESS_MOVE * Math.abs(x[j]),
  );
}

/** True if a point is a minimum according to the linear model of the last step. */
function isMinimum(fit: FitProblem, f: number, { x, qr, free, step, decrease }: Linearized): boolean {
  if (f <= exactness(fit)) return true;
  // If no step changes the model, the point may not be a minimum.
  if (qr.rank === 0 && free.length > 0) return false;
  const precision = precisionOf(fit);
  const still = STILL[precision];
  return (
    decrease <= CONVERGED[precision] * f || step.every((move, j) => Math.abs(move) <= still * Math.abs(x[j]))
  );
}

/** Returns x + δ, mixed with that of the previous round to minimize the difference of their steps. */
function mixed(now: Linearized, before: Linearized): Float64Array {
  let [along, square] = [0, 0];
  now.free.forEach((j, k) => {
    const weight = now.qr.norms[k] ** 2;
    const change = now.step[j] - before.step[j];
    along += weight * now.step[j] * change;
    square += weight * change * change;
  });
  const share = square > 0 ? along / square : 0;
  const [end, endBefore] = [plusStep(now), plusStep(before)];
  return end.map((value, j) => value - share * (value - endBefore[j]));
}
