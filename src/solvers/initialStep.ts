import { checkOptions, finitePositive } from '../core/options.ts';
import { rootMeanSquare } from '../core/scale.ts';
import { normInf } from '../core/vector.ts';
import type { AskPhi, Phi } from './linesearch/lineSearch.ts';
import type { LineState } from './searchAlong.ts';

/** Last accepted step of a solver; all NaN before the first. */
export interface LastStep {
  alpha: number;
  /** φ′(0) along its direction. */
  slope: number;
  /** φ(0). */
  value: number;
}

/**
 * Chooses the first step that a line search tries: a number, or a scalar coroutine that evaluates φ first.
 *
 * @param fresh - true if the direction is −∇f, because no curvature is known yet
 * @param slope - φ′(0) along the direction
 */
export type InitialStep = (
  state: LineState,
  fresh: boolean,
  slope: number,
  last: LastStep,
) => number | Generator<AskPhi, number, Phi>;

/**
 * Creates a rule that always returns the same first step.
 *
 * @param alpha - the step; default 1
 */
export function staticStep(alpha = 1): InitialStep {
  checkOptions('staticStep', { alpha }, { alpha: finitePositive });
  return () => alpha;
}

/**
 * Creates a rule that returns 1 for directions with curvature, and min(1, r/‖∇f‖∞) along −∇f, where r is the root
 * mean square of x, or 1 if x is 0.
 *
 * @param longest - factor of both; default 1
 */
export function unitStep(longest = 1): InitialStep {
  checkOptions('unitStep', { longest }, { longest: finitePositive });
  return (state, fresh) => (fresh ? longest * cautiousStep(state) : longest);
}

/**
 * Creates a rule like {@link unitStep}, but limited to a few times the previous step. For directions that
 * tend to be too long, so that a first step of 1 would be rejected again and again.
 *
 * @param growth - largest ratio to the previous step; default 3
 */
export function rampedStep(growth = 3): InitialStep {
  checkOptions('rampedStep', { growth }, { growth: finitePositive });
  const unit = unitStep();
  return (state, fresh, slope, last) =>
    !fresh && last.alpha > 0 ? Math.min(1, growth * last.alpha) : unit(state, fresh, slope, last);
}

/**
 * Returns a step along −∇f that moves no unknown by more than the root mean square of x, or by more than its
 * slope: f has no scale yet, but x has one. If x is 0, 1 stands for its root mean square.
 */
function cautiousStep({ x, gradient }: LineState): number {
  return Math.min(1, (rootMeanSquare(x) || 1) / normInf(gradient));
}

/**
 * Creates a rule that returns the step predicted to lower f by as much as the previous one, to first order,
 * and at most ten times the previous step. For directions without a natural scale.
 *
 * @see Nocedal & Wright (2006), Numerical Optimization, 2nd ed., the text before eq. (3.60)
 */
export function previousStep(): InitialStep {
  return (state, _fresh, slope, last) => {
    const alpha = (last.alpha * last.slope) / slope;
    return alpha > 0 && Number.isFinite(alpha) ? Math.min(alpha, 10 * last.alpha) : cautiousStep(state);
  };
}

/**
 * Creates a rule that returns the minimizer of the parabola through the last two values of f and the slope,
 * 2(fₖ − fₖ₋₁)/φ′(0), times 1.01 so that steps of 1 are reached, and at most 1.
 *
 * @see Nocedal & Wright (2006), Numerical Optimization, 2nd ed., eq. (3.60)
 */
export function quadraticStep(): InitialStep {
  return (state, _fresh, slope, last) => {
    const alpha = (1.01 * 2 * (state.f - last.value)) / slope;
    return alpha > 0 && Number.isFinite(alpha) ? Math.min(1, alpha) : cautiousStep(state);
  };
}

/** ψ₀, ψ₁ and ψ₂ of Hager & Zhang. */
const PSI0 = 0.01;
const PSI1 = 0.1;
const PSI2 = 2;
/** Largest ratio of the minimizer to the previous step; larger ones come from rounding. */
const LONGEST = 100;

/**
 * Creates the rule of CG_DESCENT: evaluates f at a tenth of the previous step, without the gradient, and
 * returns the minimizer of the parabola through that value, or twice the previous step if the parabola has
 * none.
 *
 * @see Hager & Zhang (2006), Algorithm 851: CG_DESCENT, ACM TOMS 32(1), I0–I2 of section 4,
 *   doi:10.1145/1132973.1132979
 */
export function hagerZhangStep(): InitialStep {
  return (state, _fresh, slope, last) =>
    last.alpha > 0 ? interpolatedStep(state.f, slope, last.alpha) : firstOfAll(state, slope);
}

function* interpolatedStep(value: number, slope: number, last: number): Generator<AskPhi, number, Phi> {
  const alpha = PSI1 * last;
  const phi = yield { alpha, slope: false };
  const curvature = (phi.value - value - slope * alpha) / (alpha * alpha);
  if (!(phi.value <= value && curvature > 0)) return PSI2 * last;
  return Math.min(-slope / (2 * curvature), LONGEST * last);
}

/**
 * Returns the first step of a run along −∇f: a hundredth of the size of x, or of the step that would lower f
 * to 0.
 */
function firstOfAll(state: LineState, slope: number): number {
  const size = normInf(state.x);
  if (size > 0) return (PSI0 * size) / normInf(state.gradient);
  return state.f === 0 ? 1 : (PSI0 * Math.abs(state.f)) / -slope;
}
