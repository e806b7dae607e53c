import { runSync } from '../../core/drive.ts';
import { EPSILON } from '../../core/epsilon.ts';
import { differenceJacobian, LEAST_SIZE, stepOf, type DifferenceSteps } from '../../core/jacobian.ts';
import type { Problem } from '../../core/problem.ts';

/** A point of a fit, with the sizes that determine the steps of differences. */
export interface DifferencePoint {
  readonly problem: Problem;
  /** Point, `[n]`, and the residuals there, `[m]`. */
  readonly x: Float64Array;
  readonly residuals: Float64Array;
  /** Start of the fit, `[n]`: gives the size of a parameter that is near 0 now. */
  readonly start: Float64Array;
  /** Norm of the terms of the residuals: their rounding errors are ε times this. */
  readonly size: number;
}

/** Differences below this many rounding errors of all residuals have too few digits. */
const LEAST_CHANGE = 1e4;

/**
 * Computes a Jacobian by differences whose steps fit |xⱼ|. A column that is mostly rounding (xⱼ is 0 but for rounding, say)
 * is computed once more with the steps for a parameter of 10⁻³ times its start.
 *
 * @param jacobian - output, `[m, n]` row by row
 * @returns false if residuals are not finite on both sides of the point
 */
export function resolvedJacobian(
  { problem, x, residuals, start, size }: DifferencePoint,
  given: Omit<DifferenceSteps, 'sizes'>,
  jacobian: Float64Array,
): boolean {
  const shortens = given.scheme === '3-point' && given.precision === 'float64' ? 0 : undefined;
  const steps = { ...given, shortens, sizes: x.map(Math.abs) };
  if (runSync(differenceJacobian(x, residuals, jacobian, steps), problem) >= 0) return false;
  const least = LEAST_CHANGE * EPSILON[steps.precision] * size;
  const sizes = steps.sizes.map((own, j) => {
    const larger = LEAST_SIZE * (Math.abs(start[j]) || 1);
    return own < larger && stepOf(steps, x[j], j) * columnNorm(jacobian, j, x.length) < least ? larger : own;
  });
  if (sizes.every((value, j) => value === steps.sizes[j])) return true;
  // An x that is far smaller than its size takes no part in the length of its step.
  const longer = { ...given, sizes: sizes.map((value) => value / LEAST_SIZE) };
  const again = new Float64Array(jacobian.length);
  if (runSync(differenceJacobian(x, residuals, again, longer), problem) >= 0) return true;
  for (let at = 0; at < jacobian.length; at++) {
    const j = at % x.length;
    if (sizes[j] > steps.sizes[j]) jacobian[at] = again[at];
  }
  return true;
}

function columnNorm(jacobian: Float64Array, j: number, n: number): number {
  let sum = 0;
  for (let at = j; at < jacobian.length; at += n) sum += jacobian[at] * jacobian[at];
  return Math.sqrt(sum);
}
