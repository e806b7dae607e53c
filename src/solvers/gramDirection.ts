import { combinePairs, takeSlopes, type Gram, type PairRing } from './pairRing.ts';
import type { Move } from '../core/kernels/kernels.ts';

/** Factors that belong to the pairs of an estimate, by slot. */
export interface PairFactors {
  /** Self-scaling factor τ applied to H before each pair; 1 without self-scaling. */
  readonly tau: Float64Array;
  /** Biggs's factor of each pair; 1 without the modified secant equation. */
  readonly biggs: Float64Array;
}

/**
 * `out ← −H·gradient`, by the two-loop recursion on coefficients instead of vectors, so that the pairs are
 * read only twice, in order, whatever their number.
 *
 * @param gamma - H₀ = γI
 * @param step - also `trial ← x + out`
 * @returns gradientᵀout
 * @see Nocedal & Wright (2006), Algorithm 7.4, for the recursion; Chen, Wang & Zhou (2014), Large-scale L-BFGS
 *   using MapReduce, NIPS 27, for its form without vectors
 */
export function gramDirection(
  ring: PairRing & PairFactors,
  gram: Gram,
  gamma: number,
  gradient: Float64Array,
  out: Float64Array,
  step?: Pick<Move, 'x' | 'trial'>,
): number {
  const pairs = takeSlopes(ring, gram, gradient);
  const { slots } = pairs;
  const { tau, biggs } = ring;
  const { sy, yy, slopes, factors, products: alpha } = gram;
  const width = tau.length;

  // The recursion's vector is c·g + Σ factors₂ₖ·s + factors₂ₖ₊₁·y, where k is the age of the pair.
  factors.fill(0);
  let c = -1;
  const scale = (factor: number) => {
    for (let k = 0; k < factors.length; k++) factors[k] *= factor;
    c *= factor;
  };
  for (let age = 0; age < slots.length; age++) {
    const i = slots[age];
    let sq = c * slopes[2 * i];
    const row = i * width;
    for (let newer = 0; newer < age; newer++) sq += factors[2 * newer + 1] * sy[row + slots[newer]];
    alpha[age] = sq / sy[row + i];
    factors[2 * age + 1] = -alpha[age];
    if (tau[i] !== 1) scale(1 / Math.sqrt(tau[i]));
  }
  scale(gamma);
  for (let age = slots.length - 1; age >= 0; age--) {
    const i = slots[age];
    if (tau[i] !== 1) scale(1 / Math.sqrt(tau[i]));
    let yr = c * slopes[2 * i + 1];
    const row = i * width;
    for (let k = 0; k < slots.length; k++) yr += factors[2 * k + 1] * yy[row + slots[k]];
    for (let older = age + 1; older < slots.length; older++)
      yr += factors[2 * older] * sy[slots[older] * width + i];
    factors[2 * age] += alpha[age] / biggs[i] - yr / sy[row + i];
  }
  return combinePairs(pairs, gram, c, gradient, out, step);
}
